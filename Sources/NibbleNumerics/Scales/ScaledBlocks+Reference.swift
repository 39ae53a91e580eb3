/// What the kernels are tested against, in plain Swift.
extension ScaledBlocks {
    /// ``encode(_:scales:into:level:)`` without its checks.
    package func encodeReference(_ values: [Float], scales: [Float]) -> [UInt8] {
        check(values.count, scales: scales.count)
        return scales.indices.flatMap { block -> [UInt8] in
            let scale = scales[block]
            let x = values[block * Self.blockSize..<(block + 1) * Self.blockSize]
            let codes = x.map { UInt8(truncatingIfNeeded: storedCode($0, scale: scale)) }
            let half = bytes(Half.f16(scale))
            switch type {
            case .q4_0: return half + LegacyBlocks.nibbles(codes)
            case .q5_0: return half + LegacyBlocks.fifthBits(codes) + LegacyBlocks.nibbles(codes)
            default: return half + codes
            }
        }
    }

    /// The code of a value, that of zero being 0.
    package func code(of value: Float, scale: Float) -> Int {
        let inverse = LegacyBlocks.inverse(scale)
        let position = inverse.isFinite ? value * inverse : 0
        if type == .q8_0 {
            return Int(min(max(position, -127), 127).rounded(.toNearestOrAwayFromZero))
        }
        let shifted = position + (Float(-codes.lowerBound) + 0.5)
        return Int(min(max(shifted, 0), Float(codes.count) - 0.5)) + codes.lowerBound
    }

    /// The code as it is stored.
    private func storedCode(_ value: Float, scale: Float) -> Int {
        // Where the reciprocal of a scale is infinite the codec stores 0.
        guard LegacyBlocks.inverse(scale).isFinite else { return 0 }
        let code = code(of: value, scale: scale)
        return type == .q8_0 ? code : code - codes.lowerBound
    }
}
