/// What the reference codecs of 32-element blocks share.
enum LegacyBlocks {
    /// Weights of squared errors: importance times the root of (mean square of the row + x²).
    static func weights(_ x: [Float], _ importance: BlockImportance) -> [Float] {
        importance.errorWeights(x[...], variance: importance.rowMeanSquare)
    }

    /// The value of largest magnitude with its sign; the first of several.
    static func extreme(_ x: [Float]) -> Float {
        var (largest, extreme): (Float, Float) = (0, 0)
        for value in x where largest < value.magnitude { (largest, extreme) = (value.magnitude, value) }
        return extreme
    }

    /// The smallest and the largest value.
    static func range(_ x: [Float]) -> (minimum: Float, maximum: Float) {
        var minimum = Float.greatestFiniteMagnitude
        var maximum = -minimum
        for value in x {
            if value < minimum { minimum = value }
            if value > maximum { maximum = value }
        }
        return (minimum, maximum)
    }

    /// 1 / scale, 0 for scale 0.
    static func inverse(_ scale: Float) -> Float { scale != 0 ? 1 / scale : 0 }

    /// Scale and minimum as halves, the minimum as what is added.
    static func header(_ parameters: BlockParameters) -> [UInt8] {
        bytes(parameters.scale) + bytes(parameters.minimum ^ 0x8000)
    }

    /// The inverse of ``header(_:)``.
    static func parameters(_ block: [UInt8]) -> BlockParameters {
        .init(scale: block.word(at: 0), minimum: block.word(at: 2) ^ 0x8000)
    }

    /// Byte `j` holds the low four bits of code `j` and, above them, those of code `j + 16`.
    static func nibbles(_ codes: [UInt8]) -> [UInt8] {
        (0..<16).map { codes[$0] & 0x0F | codes[$0 + 16] << 4 }
    }

    /// The inverse of ``nibbles(_:)``, from 16 bytes at `offset`.
    static func codes(_ block: [UInt8], at offset: Int) -> [Int] {
        (0..<32).map { Int($0 < 16 ? block[offset + $0] & 0x0F : block[offset + $0 - 16] >> 4) }
    }

    /// Bit `j` of four bytes, low byte first, is the fifth bit of code `j`.
    static func fifthBits(_ codes: [UInt8]) -> [UInt8] {
        var bits = [UInt8](repeating: 0, count: 4)
        for (index, code) in codes.enumerated() { bits[index / 8] |= (code >> 4 & 1) << (index % 8) }
        return bits
    }

    /// 5-bit codes: nibbles at `offset`, their fifth bits at `bits`.
    static func codes(_ block: [UInt8], at offset: Int, fifthBitsAt bits: Int) -> [Int] {
        codes(block, at: offset).enumerated().map { index, code in
            code | Int(block[bits + index / 8] >> (index % 8) & 1) << 4
        }
    }
}
