internal import CKernels
internal import NibbleNumerics

/// Weights in blocks of 32 as unsigned bytes: w = scale (code - zero) + minimum.
struct ByteCodes {
    /// `[row][columns]`
    var codes: UnsafePointer<UInt8>
    /// `[row][columns / 32]`
    var scales: UnsafePointer<Float>
    /// `[row][columns / 32]`, nil where all are zero.
    var minima: UnsafePointer<Float>?
    /// The code that stands for zero.
    var zero: Int32

    /// Whether weights of `type` can be had in this form without loss.
    static func supports(_ type: GGMLType) -> Bool { nibble_byte_code_zero(type.rawValue) >= 0 }

    /// Unpacks some rows.
    static func unpack(_ matrix: Matrix, _ rows: Range<Int>, compute: Compute) -> (ByteCodes, Buffer) {
        guard let type = matrix.type?.rawValue else {
            preconditionFailure("\(matrix.codec.name) has no byte codes")
        }
        let height = WeightSlab.height
        let blocks = matrix.columns / 32
        let codeBytes = height * matrix.columns
        let scaleBytes = height * blocks * 4
        let buffer = compute.pool.take(bytes: codeBytes + 2 * scaleBytes)
        let codes = buffer.pointer.assumingMemoryBound(to: UInt8.self)
        let scales = (buffer.pointer + codeBytes).assumingMemoryBound(to: Float.self)
        let minima = (buffer.pointer + codeBytes + scaleBytes).assumingMemoryBound(to: Float.self)
        let stored = matrix.stored(rows)
        if let start = stored.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            nibble_unpack_byte_codes(type, start, rows.count * blocks, codes, scales, minima)
        }
        let hasMinima = nibble_byte_codes_have_minima(type) != 0
        return (
            ByteCodes(
                codes: codes, scales: scales, minima: hasMinima ? UnsafePointer(minima) : nil,
                zero: nibble_byte_code_zero(type)), buffer
        )
    }
}
