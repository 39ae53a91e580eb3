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

    /// ``backpropagate(_:scales:gradient:into:level:)``: the gradients of values and scales.
    package func backpropagateReference(
        _ values: [Float], scales: [Float], gradient: [Float]
    ) -> (values: [Float], scales: [Float]) {
        check(values.count, scales: scales.count)
        var (kept, sums) = (gradient, scales)
        for block in scales.indices {
            let first = block * Self.blockSize
            var parts = (0..<Self.blockSize).map { offset -> Float in
                let index = first + offset
                let (code, position) = place(values[index], scale: scales[block])
                guard let position else {
                    kept[index] = 0
                    return gradient[index] * Float(code)
                }
                return gradient[index] * (Float(code) - position)
            }
            while parts.count > 1 {
                let half = parts.count / 2
                parts = (0..<half).map { parts[$0] + parts[$0 + half] }
            }
            sums[block] = parts[0] * gradientFactor
        }
        return (kept, sums)
    }

    /// ``anchor(_:scales:momentum:level:)``: the scales, and which of them turned.
    package func anchorReference(_ values: [Float], scales: [Float]) -> (scales: [Float], turned: [Bool]) {
        check(values.count, scales: scales.count)
        let reach = Float(-codes.lowerBound) - 0.4375
        var (result, turned) = (scales, scales.map { _ in false })
        for block in scales.indices where scales[block] != 0 && scales[block].isFinite {
            let (sign, magnitude): (Float, Float) = (scales[block] < 0 ? -1 : 1, scales[block].magnitude)
            let x = values[block * Self.blockSize..<(block + 1) * Self.blockSize]
            // Code -8 is that of values of the other sign than the scale.
            var own = x.map { -sign * $0 }.max() ?? 0
            var other = x.map { sign * $0 }.max() ?? 0
            if type == .q8_0 { (own, other) = (max(own, other), max(own, other)) }
            guard own < reach * magnitude else { continue }
            turned[block] = other > own
            let extreme = max(own, other)
            let anchored = extreme >= reach * magnitude ? magnitude : extreme / reach
            result[block] = anchored == 0 ? 0 : (turned[block] ? -sign : sign) * anchored
        }
        return (result, turned)
    }

    /// The code of a value, that of zero being 0.
    package func code(of value: Float, scale: Float) -> Int { place(value, scale: scale).code }

    /// The code of a value, zero's being 0, and the value in units of the scale; nil where it is clipped.
    private func place(_ value: Float, scale: Float) -> (code: Int, position: Float?) {
        let inverse = LegacyBlocks.inverse(scale)
        let position = inverse.isFinite ? value * inverse : 0
        if type == .q8_0 {
            if position <= -127.5 { return (-127, nil) }
            if position >= 127.5 { return (127, nil) }
            return (Int(min(max(position, -127), 127).rounded(.toNearestOrAwayFromZero)), position)
        }
        let shifted = position + (Float(-codes.lowerBound) + 0.5)
        if shifted < 0 { return (codes.lowerBound, nil) }
        if shifted >= Float(codes.count) { return (codes.upperBound, nil) }
        return (Int(shifted) + codes.lowerBound, position)
    }

    /// The code as it is stored.
    private func storedCode(_ value: Float, scale: Float) -> Int {
        // Where the reciprocal of a scale is infinite the codec stores 0.
        guard LegacyBlocks.inverse(scale).isFinite else { return 0 }
        let code = place(value, scale: scale).code
        return type == .q8_0 ? code : code - codes.lowerBound
    }
}
