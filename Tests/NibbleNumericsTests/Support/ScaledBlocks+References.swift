@testable import NibbleNumerics

/// What kernels of learned scales are tested against, in plain Swift.
extension ScaledBlocks {
    /// `scaleGradients`: the codes and the gradients of the scales.
    func scaleGradientsReference(
        _ values: [Float], scales: [Float], gradient: [Float]
    ) -> (codes: [Int8], sums: [Float]) {
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

    /// `hold`: the values.
    func holdReference(
        _ values: [Float], codes: [Int8], from before: [Float], to after: [Float]
    ) -> [Float] {
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

    /// `anchor`: the scales.
    func anchorReference(_ values: [Float], scales: [Float]) -> [Float] {
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
}
