import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport

/// A tiny checkpoint whose linear weights were moved a little, as training would: what an export is given, and
/// the same in F32 as a checkpoint of its own.
struct TrainedWeights {
    /// The source, as it is.
    let source: ModelCheckpoint
    /// The weights after training by role, in the orientation of the source.
    let values: [TensorRole: [Float]]
    /// Their shapes.
    let shapes: [TensorRole: [Int]]

    // @unchecked: the bytes are written before anyone else sees the object.
    /// What encoded bytes live in.
    final class Buffer: @unchecked Sendable {
        let bytes: UnsafeRawBufferPointer

        init(_ values: [UInt8]) {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: values.count, alignment: 64)
            buffer.copyBytes(from: values)
            bytes = UnsafeRawBufferPointer(buffer)
        }

        deinit { bytes.deallocate() }
    }

    /// Moves every matrix of a block by noise of a tenth of its size.
    init(_ path: String, seed: UInt64) throws {
        source = try ModelCheckpoint(path: path)
        var random = SeededGenerator(seed: seed)
        var values: [TensorRole: [Float]] = [:]
        var shapes: [TensorRole: [Int]] = [:]
        for tensor in source.tensors
        where tensor.role.layer != nil && tensor.role.part == .weight && tensor.entry.shape.count == 2 {
            values[tensor.role] = try tensor.entry.floats().map { $0 * (1 + 0.1 * random.normal()) }
            shapes[tensor.role] = tensor.entry.shape
        }
        self.values = values
        self.shapes = shapes
    }

    /// The weights encoded as `plan` has them.
    func replacements(_ plan: QuantizationPlan) throws -> [TensorRole: ReplacementTensor] {
        let resolved = try plan.resolve(source)
        var replacements: [TensorRole: ReplacementTensor] = [:]
        for (role, values) in values {
            guard let type = resolved[role]?.format.ggmlType, let shape = shapes[role] else { continue }
            replacements[role] = .encoded(try Self.encoded(values, rows: shape[0], type: type))
        }
        return replacements
    }

    /// `values` encoded as `type`.
    static func encoded(_ values: [Float], rows: Int, type: GGMLType) throws -> EncodedTensor {
        guard let codec = type.codec, let size = type.byteCount(elements: values.count) else {
            preconditionFailure("\(values.count) values as \(type)")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(values.span, columns: values.count / rows, into: &raw)
        return view(bytes, rows: rows, columns: values.count / rows, type: type)
    }

    /// A view of `bytes`, which live in an object of their own.
    static func view(_ bytes: [UInt8], rows: Int, columns: Int, type: GGMLType) -> EncodedTensor {
        let buffer = Buffer(bytes)
        return EncodedTensor(rows: rows, columns: columns, type: type, bytes: buffer.bytes, owner: buffer)
    }

    /// Writes the checkpoint with the trained weights in F32 to `output`, in the form of the source.
    func write(to output: String) throws {
        var request = ConversionRequest(
            input: source.path, output: output, plan: QuantizationPlan(.f32), threads: 2)
        for (role, values) in values {
            guard let shape = shapes[role] else { continue }
            request.replacements[role] = .encoded(try Self.encoded(values, rows: shape[0], type: .f32))
        }
        try Converter(request).run()
    }
}
