internal import CKernels

/// Switched floating point, gemma.cpp's 8-bit type: one byte an element without scale, with three mantissa
/// bits for magnitudes from 2⁻⁷ and two below.
///
/// | bit 7 | bits 6-0 = m | magnitude |
/// |---|---|---|
/// | sign | 0 | 0 |
/// | sign | 1 ..< 64 | (1 + (m mod 4) / 4) · 2^(⌊m / 4⌋ - 23) |
/// | sign | 64 ..< 128 | (1 + (m mod 8) / 8) · 2^(⌊m / 8⌋ - 15) |
///
/// Largest magnitude 1.875, smallest 1.25 · 2⁻²³.
///
/// Encoding rounds to BF16 and then to the format, both to nearest, ties to even. Magnitudes that round to 2⁻²³,
/// which has no code, become 1.25 · 2⁻²³; smaller ones become 0. Zero has no sign: -0 is encoded as 0, and the
/// code 0x80 is never written (it decodes to 0).
///
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``; magnitudes beyond 1.87890625, which
///   round to a BF16 above 1.875, are ``CodecError/scaleOverflow(block:)``.
/// - Importance changes nothing.
///
/// gemma.cpp's vector encoder drops the last of BF16's seven mantissa bits before it rounds, so it differs by
/// one code for magnitudes just above the middle of an even and an odd code.
///
/// Source: gemma.cpp, `compression/sfp-inl.h` and `SFP8FromF32` of its test.
public struct SFP8: Codec {
    /// The codec.
    public init() {}

    /// `SFP8`.
    public var name: String { "SFP8" }

    /// One: elements share nothing.
    public var blockSize: Int { 1 }

    /// True.
    public var canEncode: Bool { true }

    /// False: every value is rounded by itself.
    public var usesImportance: Bool { false }

    /// One byte an element.
    public func byteCount(columns: Int) -> Int? { columns >= 0 ? columns : nil }

    // MARK: - Kernels

    /// Encodes whole rows; see ``Codec/encode(_:columns:importance:into:level:)``.
    public func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan,
        level: KernelLevel
    ) throws(CodecError) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        try checkFinite(rows, level)
        for index in rows.indices where rows[index].magnitude > Self.limit {
            throw .scaleOverflow(block: index)
        }
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe rows.withUnsafeBufferPointer { rows in
                let output = unsafe bytes.bindMemory(to: UInt8.self)
                guard let x = rows.baseAddress, let out = output.baseAddress else { return }
                unsafe nibble_sfp8_encode(x, out, rows.count, level.number)
            }
        }
    }

    /// Decodes whole rows; see ``Codec/decode(_:columns:into:level:)``.
    public func decode(
        _ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>, level: KernelLevel
    ) {
        checkDecoding(bytes, columns, rows.count)
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe rows.withUnsafeMutableBufferPointer { rows in
                let input = unsafe bytes.bindMemory(to: UInt8.self)
                guard let source = input.baseAddress, let target = rows.baseAddress else { return }
                unsafe nibble_sfp8_decode(source, target, rows.count, level.number)
            }
        }
    }

    // MARK: - Reference

    /// Encodes whole rows in plain Swift.
    public func encodeReference(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan
    ) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        for index in rows.indices {
            bytes.storeBytes(of: Self.code(rows[index]), toByteOffset: index, as: UInt8.self)
        }
    }

    /// Decodes whole rows in plain Swift.
    public func decodeReference(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>) {
        checkDecoding(bytes, columns, rows.count)
        for index in 0..<rows.count {
            rows[index] = Self.value(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
        }
    }

    /// The largest Float that rounds to a BF16 of 1.875: the tie goes down, to the even one.
    private static let limit: Float = 1.87890625

    private static func code(_ value: Float) -> UInt8 {
        let bits = Int(Half.bf16(value))
        let magnitude = bits & 0x7FFF
        // 1.1111 (binary) · 2⁻⁸ and more rounds to 2⁻⁷ or more with three mantissa bits; from 1.111 · 2⁻⁸ on
        // two bits round there as well.
        let dropped = magnitude >= 119 << 7 | 0b1111000 ? 4 : 5
        let half = 1 << (dropped - 1)
        let rounded = magnitude + half - 1 + (magnitude >> dropped & 1)
        let exponent = rounded >> 7 - 127
        guard exponent >= -23 else { return 0 }
        let code =
            if exponent >= -7 {
                (exponent + 15) << 3 | rounded >> 4 & 7
            } else {
                max(1, (exponent + 23) << 2 | rounded >> 5 & 3)
            }
        return UInt8(code | bits >> 8 & 0x80)
    }

    private static func value(_ code: UInt8) -> Float {
        let m = Int(code & 0x7F)
        guard m != 0 else { return 0 }
        let magnitude: Float =
            switch m {
            case 1..<64: Float(4 + m % 4) / 4 * Float(sign: .plus, exponent: m / 4 - 23, significand: 1)
            default: Float(8 + m % 8) / 8 * Float(sign: .plus, exponent: m / 8 - 15, significand: 1)
            }
        return code & 0x80 == 0 ? magnitude : -magnitude
    }
}
