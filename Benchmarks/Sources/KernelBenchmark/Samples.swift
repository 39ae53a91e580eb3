import Nibble

/// Weights and activations with ordinary values.
enum Samples {
    /// Bytes that live as long as the matrix that is made of them.
    private final class Bytes: Sendable {
        nonisolated(unsafe) let buffer: UnsafeMutableRawBufferPointer

        init(_ bytes: [UInt8]) {
            buffer = .allocate(byteCount: bytes.count, alignment: 64)
            buffer.copyBytes(from: bytes)
        }

        deinit { buffer.deallocate() }
    }

    static func values(_ count: Int) -> [Float] {
        var state: UInt32 = 1
        return (0..<count).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(Int32(bitPattern: state)) * 0x1p-31
        }
    }

    static func matrix(_ type: GGMLType, rows: Int, columns: Int) -> Matrix {
        guard let codec = type.codec, let rowBytes = codec.byteCount(columns: columns) else {
            preconditionFailure("no rows of \(columns) columns of \(type)")
        }
        var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
        do {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let weights = values(rows * columns)
            try codec.encode(weights.span, columns: columns, into: &raw)
        } catch {
            preconditionFailure("\(error)")
        }
        let owner = Bytes(bytes)
        let stored = UnsafeRawBufferPointer(owner.buffer)
        guard let matrix = Matrix(rows: rows, columns: columns, type: type, bytes: stored, owner: owner)
        else {
            preconditionFailure("\(type) cannot be decoded")
        }
        return matrix
    }

    static func tensor(features: Int, _ compute: Compute) -> Tensor {
        let x = compute.tensor(
            features: features, layout: compute.layout(sequences: 1, length: KernelBenchmark.tokens))
        let column = values(features)
        for position in 0..<KernelBenchmark.tokens {
            x.setColumn(sequence: 0, position: position, to: column.span)
        }
        return x
    }
}
