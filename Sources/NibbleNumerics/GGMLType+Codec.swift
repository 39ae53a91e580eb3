internal import CKernels

extension GGMLType {
    /// The codec of the type, or nil where Nibble can lay out such tensors but not read their values.
    public var codec: (any Codec)? {
        switch self {
        case .f64: F64()
        case .f32: F32()
        case .f16: F16()
        case .bf16: BF16()
        case .q4_0: Q4_0()
        case .q4_1: Q4_1()
        case .q5_0: Q5_0()
        case .q5_1: Q5_1()
        case .q8_0: Q8_0()
        case .q2_k: Q2_K()
        case .q3_k: Q3_K()
        case .q4_k: Q4_K()
        case .q5_k: Q5_K()
        case .q6_k: Q6_K()
        case .iq4_nl: IQ4_NL()
        case .iq4_xs: IQ4_XS()
        case .iq3_s: IQ3_S()
        case .iq3_xxs: IQ3_XXS()
        case .iq2_s: IQ2_S()
        case .iq2_xs: IQ2_XS()
        case .iq2_xxs: IQ2_XXS()
        case .iq1_m: IQ1_M()
        case .iq1_s: IQ1_S()
        case .tq1_0: TQ1_0()
        case .tq2_0: TQ2_0()
        case .q1_0: Q1_0()
        case .q2_0: Q2_0()
        case .mxfp4: MXFP4()
        case .nvfp4: NVFP4()
        // What ggml computes with, and integers: no weights are stored so.
        case .q8_1, .q8_k, .i8, .i16, .i32, .i64: nil
        }
    }

    /// Whether Nibble writes the type.
    public var isEncodable: Bool { codec?.canEncode ?? false }

    /// The first block of `bytes` whose scale, minimum or value is NaN or infinite: the check that
    /// llama-quantize makes of what it wrote. Nil where there is none, and for types without a ``codec``, of
    /// which nothing is known.
    ///
    /// - Precondition: `bytes` holds whole blocks.
    public func firstInvalidBlock(in bytes: RawSpan) -> Int? {
        precondition(
            bytes.byteCount.isMultiple(of: blockBytes),
            "\(bytes.byteCount) bytes are not whole blocks of \(blockBytes) bytes")
        guard codec != nil, !bytes.isEmpty else { return nil }
        if self == .f64 { return F64.firstInvalid(bytes) }
        let blocks = bytes.byteCount / blockBytes
        let first = unsafe bytes.withUnsafeBytes { bytes in
            let input = unsafe bytes.bindMemory(to: UInt8.self)
            guard let start = input.baseAddress else { return blocks }
            return unsafe nibble_first_invalid_block(rawValue, start, blocks, KernelLevel.best.number)
        }
        return first < blocks ? first : nil
    }
}
