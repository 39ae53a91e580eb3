internal import CKernels

/// Symmetric blocks of 32 whose scale is given rather than chosen: what is trained where scales are learned.
///
/// A value x of a block with scale s is decoded as half(s) q with the code q = clamp(round(x / s)), in the arithmetic of
/// the type's codec: the reciprocal of s in Float, ties as the codec has them. With the scales of
/// ``chooseScales(_:into:)`` blocks are the codec's, bit for bit.
///
/// | | codes | ties |
/// |---|---|---|
/// | Q4_0 | -8 ... 7 | up in units of s |
/// | Q5_0 | -16 ... 15 | up in units of s |
/// | Q8_0 | -127 ... 127 | away from zero |
///
/// The decoded value is differentiable by its scale while the code stays: with g the gradient of the loss by the decoded
/// values, ∂L/∂s = Σ g q. Nothing is estimated there. Codes are held (``hold(_:codes:from:to:level:)``): they change one
/// at a time, where enough gradient has gathered, and not because a scale did.
///
/// - Scales of 0: all codes are zero's, ∂L/∂s = 0. Scales below 2.94e-39, whose reciprocal is
///   infinite, are stored as 0; their codes are the codec's, their gradients those of scale 0.
/// - Scales below the half range are stored as subnormal halves or 0, the codes stay.
/// - The sign of a scale is free: a negative one turns the codes around.
///
/// ```swift
/// let blocks = ScaledBlocks(.q4_0)!
/// blocks.chooseScales(weights.span, into: &scales)
/// try blocks.encode(weights.span, scales: scales.span, into: &bytes)
/// ```
public struct ScaledBlocks: Sendable, Hashable {
    /// The types that have such blocks.
    public static let types: [GGMLType] = [.q4_0, .q5_0, .q8_0]
    /// Values that share a scale.
    public static let blockSize = 32
    /// The smallest magnitude of a scale that is learned: the smallest half above 0, 2⁻²⁴. Not the smallest normal one:
    /// every block of Q8_0 with no value above 0.0077 has a subnormal scale.
    public static let smallestScale: Float = 0x1p-24

    /// The type of the blocks.
    public let type: GGMLType
    /// Codes of the type, that of zero being 0.
    package let codes: ClosedRange<Int>

    /// The arithmetic of ``type``.
    package var codec: any Codec {
        guard let codec = type.codec else { preconditionFailure("\(type) has no codec") }
        return codec
    }

    /// Nil where `type` is none of ``types``.
    public init?(_ type: GGMLType) {
        switch type {
        case .q4_0: codes = -8...7
        case .q5_0: codes = -16...15
        case .q8_0: codes = -127...127
        default: return nil
        }
        self.type = type
    }

    /// The scales that the codec would choose, before they are rounded to halves.
    ///
    /// - Parameters:
    ///   - values: whole blocks of finite values.
    ///   - scales: one for each block.
    public func chooseScales(_ values: Span<Float>, into scales: inout MutableSpan<Float>) {
        check(values.count, scales: scales.count)
        for block in 0..<scales.count {
            let first = block * Self.blockSize
            scales[block] = chooseScale(values.extracting(first..<first + Self.blockSize))
        }
    }

    /// The scale that the codec would choose for the 32 values of one block.
    public func chooseScale(_ values: Span<Float>) -> Float {
        check(values.count, scales: 1)
        var (largest, extreme): (Float, Float) = (0, 0)
        for index in values.indices where largest < values[index].magnitude {
            (largest, extreme) = (values[index].magnitude, values[index])
        }
        return type == .q8_0 ? largest / Float(codes.upperBound) : extreme / Float(codes.lowerBound)
    }

    /// Encodes whole blocks with given scales.
    ///
    /// - Parameters:
    ///   - values: blocks of 32.
    ///   - scales: one for each block.
    ///   - bytes: the type's bytes for each block.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Throws: ``CodecError``: `nonFiniteValue` where a value is NaN or infinite, `scaleOverflow` where a scale is, or
    ///   its magnitude is 65520 or more.
    public func encode(
        _ values: Span<Float>, scales: Span<Float>, into bytes: inout MutableRawSpan,
        level: KernelLevel = .best
    ) throws(CodecError) {
        check(values.count, scales: scales.count)
        let blocks = scales.count
        precondition(
            bytes.byteCount == blocks * type.blockBytes,
            "\(blocks) blocks of \(type) take \(blocks * type.blockBytes) bytes, not \(bytes.byteCount)")
        try codec.checkFinite(values, level)
        guard blocks > 0 else { return }
        let invalid = unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe values.withUnsafeBufferPointer { values in
                unsafe scales.withUnsafeBufferPointer { scales in
                    let output = unsafe bytes.bindMemory(to: UInt8.self)
                    // None is empty, so all have an address.
                    guard let x = values.baseAddress, let s = scales.baseAddress, let out = output.baseAddress
                    else { return blocks }
                    unsafe nibble_scaled_encode(type.rawValue, x, s, out, blocks, level.number)
                    return unsafe nibble_first_invalid_block(type.rawValue, out, blocks, level.number)
                }
            }
        }
        if invalid < blocks { throw .scaleOverflow(block: invalid) }
    }

    /// The scales that blocks are encoded with.
    ///
    /// - Parameters:
    ///   - bytes: the type's bytes for each block.
    ///   - scales: one for each block.
    public func readScales(_ bytes: RawSpan, into scales: inout MutableSpan<Float>) {
        precondition(
            bytes.byteCount == scales.count * type.blockBytes,
            "\(bytes.byteCount) bytes for \(scales.count) blocks of \(type)")
        unsafe bytes.withUnsafeBytes { bytes in
            for block in 0..<scales.count {
                // Blocks of these types begin with their scale.
                let half = unsafe bytes.loadUnaligned(
                    fromByteOffset: block * type.blockBytes, as: UInt16.self)
                scales[block] = Half.float(f16: UInt16(littleEndian: half))
            }
        }
    }

    /// Changes scales where no value of a block has the code of largest magnitude, -8 of Q4_0, so that one has.
    ///
    /// The values that such a block decodes to give the same block when the codec chooses their scale: the extreme of
    /// the block is then -8 scales to the bit. So it can be stored as plain `Float` and be quantized again.
    ///
    /// - A scale that is too large for every value becomes the extreme's distance by 7.5625 of Q4_0, 15.5625 of Q5_0,
    ///   126.5625 of Q8_0: a sixteenth of a step beyond the border of the code.
    /// - Where only a value of the other sign lies that far, the scale turns its sign. All others keep the value that
    ///   they decode to, and this one is clipped no longer.
    /// - Scales of 0, NaN and infinity stay; a block of zeros gets 0.
    ///
    /// What the codec chooses stays as it is.
    ///
    /// - Parameters:
    ///   - values: blocks of 32, finite.
    ///   - scales: one for each block.
    ///   - level: the instruction level; every level gives the same bits.
    public func anchor(
        _ values: Span<Float>, scales: inout MutableSpan<Float>, level: KernelLevel = .best
    ) {
        check(values.count, scales: scales.count)
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        let (type, blocks) = (type.rawValue, scales.count)
        unsafe values.withUnsafeBufferPointer { values in
            unsafe scales.withUnsafeMutableBufferPointer { scales in
                guard let x = values.baseAddress, let s = scales.baseAddress else { return }
                unsafe nibble_scaled_anchor(type, x, s, blocks, level.number)
            }
        }
    }

    func check(_ values: Int, scales: Int) {
        precondition(
            values == scales * Self.blockSize,
            "\(values) values have \(scales) scales, expected one for \(Self.blockSize)")
    }
}

extension WeightFormat {
    /// Its blocks, where these have scales that can be given; nil where they have not.
    public var scaledBlocks: ScaledBlocks? { ggmlType.flatMap(ScaledBlocks.init) }
}
