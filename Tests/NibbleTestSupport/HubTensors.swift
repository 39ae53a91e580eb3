internal import NibbleCheckpoint
internal import NibbleNumerics

/// The tensors of a hub folder of one file, of any element type.
package struct HubTensors: Sendable {
    /// A tensor.
    package struct Tensor: Sendable, Equatable {
        /// The element type as safetensors spells it.
        package var type: String
        /// Extents.
        package var shape: [Int]
        /// The bytes.
        package var bytes: [UInt8]
    }

    /// By name.
    package let tensors: [String: Tensor]
    /// What the file says beside them.
    package let metadata: [String: String]

    /// Reads `model.safetensors` of the folder at `path`.
    package init(folder path: String) throws {
        let file = try SafetensorsFile(path: path + "/model.safetensors")
        metadata = file.metadata
        tensors = Dictionary(
            uniqueKeysWithValues: file.entries.map {
                (
                    $0.name,
                    Tensor(type: $0.type.rawValue, shape: $0.shape, bytes: Array(file.file.bytes[$0.range]))
                )
            })
    }

    /// The values of a tensor of BF16.
    package func bf16(_ name: String) -> [Float]? {
        guard let tensor = tensors[name], tensor.type == "BF16" else { return nil }
        return stride(from: 0, to: tensor.bytes.count, by: 2).map {
            Half.float(bf16: UInt16(tensor.bytes[$0]) | UInt16(tensor.bytes[$0 + 1]) << 8)
        }
    }

    /// The values of a matrix of compressed-tensors, word by word as its `unpack_from_int32` and `dequantize` have it, the
    /// product in F32; nil where the three tensors do not fit together.
    package func unpacked(_ name: String) -> [Float]? {
        guard let packed = tensors[name + "_packed"], let scales = bf16(name + "_scale"),
            let shape = tensors[name + "_shape"], packed.type == "I32", shape.type == "I64",
            shape.shape == [2],
            shape.bytes.count == 16
        else { return nil }
        let (rows, columns) = (
            Int(shape.bytes[0]) | Int(shape.bytes[1]) << 8, Int(shape.bytes[8]) | Int(shape.bytes[9]) << 8
        )
        let words = (columns + 7) / 8
        guard packed.shape == [rows, words], let groups = tensors[name + "_scale"]?.shape.last,
            scales.count == rows * groups
        else { return nil }
        return (0..<rows * columns).map { index in
            let (row, column) = (index / columns, index % columns)
            let start = 4 * (row * words + column / 8)
            let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(packed.bytes[start + $1]) << UInt32(8 * $1) }
            let code = Int(word >> UInt32(4 * (column % 8)) & 15) - 8
            return Float(code) * scales[row * groups + column / (columns / groups)]
        }
    }

    /// The values of the matrix `name`, in whichever of the two forms it is stored.
    package func values(_ name: String) -> [Float]? { bf16(name) ?? unpacked(name) }
}
