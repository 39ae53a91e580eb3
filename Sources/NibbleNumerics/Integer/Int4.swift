internal import CKernels

/// Symmetric 4-bit integers with one scale for each group of a row, or for the whole row ("per channel").
///
/// A row of n columns in groups of g is
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 n / g | scales, BF16 |
/// | 2 n / g | ⌈n / 2⌉ | codes q, two's complement nibbles: byte i holds element 2 i (low) and 2 i + 1 |
///
/// where the last high nibble of an odd row is 0. The format is that of integer quantization-aware training
/// rather than of GGUF files, which have no type for it.
///
/// Decoding: x = scale · q. q = -8 is decoded though never written.
///
/// Encoding: scale = BF16(max |x| / 7), q = clamp(nearest(x / scale), -7, 7) with the rounded scale; both
/// roundings go to nearest, ties to even.
///
/// - A group of zeros, or one whose scale rounds to zero: scale +0, codes 0. Subnormal scales are kept.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``; no finite value overflows.
/// - Importance changes nothing.
///
/// ```swift
/// let perChannel = Int4(group: nil)
/// let grouped = Int4(group: 32)
/// ```
public struct Int4: Codec {
    /// Elements that share a scale; nil for the whole row.
    public let group: Int?

    /// The codec for groups of `group` elements, or with one scale a row.
    ///
    /// - Precondition: `group` is positive.
    public init(group: Int?) {
        if let group { precondition(group > 0, "a group of \(group) elements") }
        self.group = group
    }

    /// `INT4`, or `INT4_32` for groups of 32.
    public var name: String { group.map { "INT4_\($0)" } ?? "INT4" }

    /// The group; 1 for one scale a row, which may have any length.
    public var blockSize: Int { group ?? 1 }

    /// True.
    public var canEncode: Bool { true }

    /// False: the scale is that of the largest value.
    public var usesImportance: Bool { false }

    /// Two bytes a scale and half a byte an element, rounded up.
    public func byteCount(columns: Int) -> Int? {
        guard columns >= 0, columns.isMultiple(of: blockSize) else { return nil }
        guard columns > 0 else { return 0 }
        let (scaleBytes, scaleOverflow) = (columns / groupSize(columns)).multipliedReportingOverflow(by: 2)
        let (sum, overflow) = scaleBytes.addingReportingOverflow(columns / 2 + columns % 2)
        return scaleOverflow || overflow ? nil : sum
    }

    // MARK: - Kernels

    /// Encodes whole rows; see ``Codec/encode(_:columns:importance:into:level:)``.
    public func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan,
        level: KernelLevel
    ) throws(CodecError) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        try checkFinite(rows, level)
        guard !rows.isEmpty else { return }
        let group = groupSize(columns)
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe rows.withUnsafeBufferPointer { rows in
                let output = unsafe bytes.bindMemory(to: UInt8.self)
                guard let x = rows.baseAddress, let out = output.baseAddress else { return }
                unsafe nibble_int4_encode(x, out, columns, group, rows.count / columns, level.number)
            }
        }
    }

    /// Decodes whole rows; see ``Codec/decode(_:columns:into:level:)``.
    public func decode(
        _ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>, level: KernelLevel
    ) {
        checkDecoding(bytes, columns, rows.count)
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        guard !rows.isEmpty else { return }
        let group = groupSize(columns)
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe rows.withUnsafeMutableBufferPointer { rows in
                let input = unsafe bytes.bindMemory(to: UInt8.self)
                guard let source = input.baseAddress, let target = rows.baseAddress else { return }
                unsafe nibble_int4_decode(source, target, columns, group, rows.count / columns, level.number)
            }
        }
    }

    // MARK: - Reference

    /// Encodes whole rows in plain Swift.
    public func encodeReference(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan
    ) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        guard columns > 0, let rowBytes = byteCount(columns: columns) else { return }
        let group = groupSize(columns)
        for row in 0..<rows.count / columns {
            let (first, offset) = (row * columns, row * rowBytes)
            var (scales, codes): ([UInt16], [Int]) = ([], [])
            for start in stride(from: 0, to: columns, by: group) {
                let x = (start..<start + group).map { rows[first + $0] }
                let scale = Half.bf16(LegacyBlocks.extreme(x).magnitude / 7)
                scales.append(scale)
                codes += x.map { value in
                    guard scale != 0 else { return 0 }
                    return Int(
                        max(-7, min(7, (value / Half.float(bf16: scale)).rounded(.toNearestOrEven))))
                }
            }
            for (index, byte) in Self.pack(scales: scales, codes: codes).enumerated() {
                bytes.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
            }
        }
    }

    /// The bytes of a row.
    ///
    /// - Parameters:
    ///   - scales: BF16.
    ///   - codes: one for each element, zero's being 0.
    static func pack(scales: [UInt16], codes: [Int]) -> [UInt8] {
        let nibbles = codes.map { UInt8(truncatingIfNeeded: $0) & 0x0F } + (codes.count % 2 == 0 ? [] : [0])
        return scales.flatMap(NibbleNumerics.bytes)
            + (0..<nibbles.count / 2).map { nibbles[2 * $0] | nibbles[2 * $0 + 1] << 4 }
    }

    /// Decodes whole rows in plain Swift.
    public func decodeReference(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>) {
        checkDecoding(bytes, columns, rows.count)
        guard columns > 0, let rowBytes = byteCount(columns: columns) else { return }
        let group = groupSize(columns)
        for index in 0..<rows.count {
            let (offset, column) = (index / columns * rowBytes, index % columns)
            let scale = unsafe bytes.unsafeLoadUnaligned(
                fromByteOffset: offset + column / group * 2, as: UInt16.self)
            let pair = unsafe bytes.unsafeLoad(
                fromByteOffset: offset + columns / group * 2 + column / 2, as: UInt8.self)
            let nibble = column.isMultiple(of: 2) ? pair << 4 : pair & 0xF0
            rows[index] = Half.float(bf16: UInt16(littleEndian: scale)) * Float(Int8(bitPattern: nibble) >> 4)
        }
    }

    private func groupSize(_ columns: Int) -> Int { group ?? columns }
}
