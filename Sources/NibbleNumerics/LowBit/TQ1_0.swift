/// Blocks of 256 values of -d, 0 and d, five a byte: 1.6875 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 32 | byte l holds elements l, l + 32, ... l + 128 |
/// | 32 | 16 | byte l holds elements 160 + l, 160 + l + 16, ... 160 + l + 64 |
/// | 48 | 4 | byte l holds elements 240 + l, 240 + l + 4, ... 240 + l + 12 |
/// | 52 | 2 | d, half |
///
/// A byte is a fraction of 256 whose digits to base 3, from the first on, are the codes 0, 1, 2. Decoding: x = (q - 1) d.
///
/// Source: ggml's `dequantize_row_tq1_0`.
public struct TQ1_0: ReadOnlyCodec {
    static let type = GGMLType.tq1_0

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 52)
        var values = [Float](repeating: 0, count: 256)
        for (bytes, digits, first) in [(0..<32, 5, 0), (32..<48, 5, 160), (48..<52, 4, 240)] {
            for (place, byte) in bytes.enumerated() {
                var rest = block[byte]
                for digit in 0..<digits {
                    values[first + digit * bytes.count + place] = Float(Int(rest) * 3 / 256 - 1) * d
                    rest = rest &* 3
                }
            }
        }
        return values
    }
}
