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

    /// ``scaleGradients(_:scales:gradient:codes:into:level:)``: the codes and the gradients of the scales.
    package func scaleGradientsReference(
        _ values: [Float], scales: [Float], gradient: [Float]
    ) -> (codes: [Int8], sums: [Float]) {
        check(values.count, scales: scales.count)
        let codes = values.indices.map { Int8(code(of: values[$0], scale: scales[$0 / Self.blockSize])) }
        let sums = scales.indices.map { block -> Float in
            var parts = (block * Self.blockSize..<(block + 1) * Self.blockSize).map {
                gradient[$0] * Float(codes[$0])
            }
            while parts.count > 1 {
                let half = parts.count / 2
                parts = (0..<half).map { parts[$0] + parts[$0 + half] }
            }
            return parts[0]
        }
        return (codes, sums)
    }

    /// ``hold(_:codes:from:to:level:)``: the values.
    package func holdReference(
        _ values: [Float], codes: [Int8], from before: [Float], to after: [Float]
    ) -> [Float] {
        check(values.count, scales: before.count)
        let margin: Float = 0.4999
        let (lowest, highest) = (Float(self.codes.lowerBound), Float(self.codes.upperBound))
        var result = values
        for block in before.indices {
            let inverse = LegacyBlocks.inverse(before[block])
            guard before[block] != 0, inverse.isFinite else { continue }
            let range = block * Self.blockSize..<(block + 1) * Self.blockSize
            var positions = range.map { min(max(values[$0] * inverse, lowest), highest) }
            var next = positions.map { Float(self.code(of: $0, scale: 1)) }
            func isExtreme(_ code: Float) -> Bool {
                code == lowest || type == .q8_0 && code == highest
            }
            if !next.contains(where: isExtreme) {
                let candidates = (0..<Self.blockSize).filter {
                    isExtreme(Float(codes[range.lowerBound + $0]))
                }
                func reach(_ index: Int) -> Float {
                    codes[range.lowerBound + index] < 0 ? -positions[index] : positions[index]
                }
                // The first of those that reach farthest.
                if var kept = candidates.first {
                    for other in candidates where reach(other) > reach(kept) { kept = other }
                    next[kept] = Float(codes[range.lowerBound + kept])
                    positions[kept] = next[kept] < 0 ? margin + next[kept] : next[kept] - margin
                }
            }
            for (index, place) in range.enumerated() {
                let within = min(max(positions[index], next[index] - margin), next[index] + margin)
                let isHeld = next[index] == Float(codes[place])
                result[place] = (isHeld ? within : next[index]) * after[block]
            }
        }
        return result
    }

    /// ``anchor(_:scales:level:)``: the scales.
    package func anchorReference(_ values: [Float], scales: [Float]) -> [Float] {
        check(values.count, scales: scales.count)
        let reach = Float(-codes.lowerBound) - 0.4375
        var result = scales
        for block in scales.indices where scales[block] != 0 && scales[block].isFinite {
            let (sign, magnitude): (Float, Float) = (scales[block] < 0 ? -1 : 1, scales[block].magnitude)
            let x = values[block * Self.blockSize..<(block + 1) * Self.blockSize]
            // Code -8 is that of values of the other sign than the scale.
            var own = x.map { -sign * $0 }.max() ?? 0
            var other = x.map { sign * $0 }.max() ?? 0
            if type == .q8_0 { (own, other) = (max(own, other), max(own, other)) }
            guard own < reach * magnitude else { continue }
            let turns = other > own
            let extreme = max(own, other)
            let anchored = extreme >= reach * magnitude ? magnitude : extreme / reach
            result[block] = anchored == 0 ? 0 : (turns ? -sign : sign) * anchored
        }
        return result
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
