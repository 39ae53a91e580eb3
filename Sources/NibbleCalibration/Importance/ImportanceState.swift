internal import CLibrary
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics

/// What a measurement has summed, in a file beside its output: from there the next process goes on.
///
/// A GGUF file with the sums as F64 by the name of the first matrix that takes the input in, and what they depend on.
struct ImportanceState {
    let path: String

    /// What sums depend on: keys, and values in words.
    typealias Identity = [(key: String, value: String)]

    private static let prefix = "nibble.imatrix."
    private static let suffix = ".in_sum2"

    /// Whether an earlier process kept sums.
    var exists: Bool { FilePath.exists(path) }

    /// Keeps the sums of some passes.
    func write(
        _ squares: InputSquares, passes: Int, _ identity: Identity, _ architecture: Architecture
    ) throws(CheckpointError) {
        var metadata = GGUFMetadata()
        metadata.set("general.type", .string("imatrix.partial"))
        for (key, value) in identity { metadata.set(Self.prefix + key, .string(value)) }
        metadata.set(Self.prefix + "passes", .uint64(UInt64(passes)))
        metadata.set(Self.prefix + "tokens", .uint64(UInt64(squares.tokens)))
        var tensors: [(name: String, sums: [Double])] = []
        for (input, sums) in squares.sums {
            guard let name = InputSquares.names(input, in: architecture).first else { continue }
            tensors.append((name + Self.suffix, sums))
        }
        tensors.sort { $0.name < $1.name }
        try CheckpointWriter.write(
            metadata,
            tensors.map { name, sums in
                (
                    .init(name: name, shape: [sums.count], type: .f64),
                    sums.map(\.bitPattern.littleEndian).withUnsafeBytes { Array($0) }
                )
            }, to: path, replacing: true)
    }

    /// The sums that an earlier process kept, and of how many passes.
    ///
    /// - Throws: `CheckpointError`: `inconsistent` where they are of another measurement, naming what differs.
    func read(
        _ identity: Identity, _ shape: ModelConfiguration
    ) throws(CheckpointError) -> (InputSquares, passes: Int) {
        let file = try GGUFFile(try MappedFile(path: path))
        let metadata = file.metadata
        for (key, value) in identity {
            let found = try metadata.value(Self.prefix + key)?.text
            guard found == value else {
                throw CheckpointError(
                    .inconsistent, path: path,
                    "was begun with \(key) \(found ?? "that it does not say"), not \(value)",
                    advice: "go on with what it was begun with, or remove it to begin again")
            }
        }
        guard let passes = try metadata.value(Self.prefix + "passes")?.integer,
            let tokens = try metadata.value(Self.prefix + "tokens")?.integer
        else {
            throw CheckpointError(
                .missing, path: path, "does not say how far it is", advice: "remove it to begin again")
        }
        var sums: [InputSquares.Input: [Double]] = [:]
        let inputs = Self.inputs(shape)
        for tensor in file.tensors {
            guard tensor.type == .f64, let input = inputs[tensor.name] else {
                throw CheckpointError(
                    .malformed, path: path, subject: "tensor '\(tensor.name)'", "is no sum of this model",
                    advice: "remove the file to begin again")
            }
            sums[input] = (0..<tensor.elementCount).map { index in
                let bits = tensor.bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
                return Double(bitPattern: UInt64(littleEndian: bits))
            }
        }
        return (InputSquares(sums: sums, tokens: tokens), passes)
    }

    /// Removes the file.
    func remove() { unlink(path) }

    /// What the tensors of a file are sums of.
    private static func inputs(_ shape: ModelConfiguration) -> [String: InputSquares.Input] {
        var inputs: [String: InputSquares.Input] = [:]
        for input in InputSquares.inputs(layers: shape.layerCount) {
            guard let name = InputSquares.names(input, in: shape.architecture).first else { continue }
            inputs[name + suffix] = input
        }
        return inputs
    }
}
