import Foundation

/// Operations of a transformer block in Double, token by token, as their formulas read.
enum DoubleReference {
    /// W x for `[rows][x.count]` weights.
    static func product(_ weights: [Double], _ x: [Double]) -> [Double] {
        stride(from: 0, to: weights.count, by: x.count).map { start in
            x.indices.reduce(0) { $0 + weights[start + $1] * x[$1] }
        }
    }

    static func norm(_ x: [Double], _ weight: [Double], epsilon: Float) -> [Double] {
        let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
        let scale = 1 / (mean + Double(epsilon)).squareRoot()
        return zip(x, weight).map { $0 * scale * $1 }
    }

    static func rotated(
        _ x: [Double], position: Int, frequencies: [Float], interleaved: Bool
    ) -> [Double] {
        var y = x
        for (pair, frequency) in frequencies.enumerated() {
            let angle = Double(Float(position) * frequency)
            let first = interleaved ? 2 * pair : pair
            let second = interleaved ? first + 1 : pair + x.count / 2
            y[first] = x[first] * cos(angle) - x[second] * sin(angle)
            y[second] = x[second] * cos(angle) + x[first] * sin(angle)
        }
        return y
    }

    /// Causal attention of one sequence: `[position][heads * head]` queries, and keys and values of fewer heads.
    static func attention(
        query: [[Double]], key: [[Double]], value: [[Double]], head: Int, window: Int?
    ) -> [[Double]] {
        let heads = query[0].count / head
        let group = heads / (key[0].count / head)
        return query.indices.map { position in
            (0..<heads).flatMap { index in
                let q = query[position][index * head..<(index + 1) * head]
                let features = index / group * head..<(index / group + 1) * head
                let visible = (window.map { max(0, position - $0 + 1) } ?? 0)...position
                let weights = visible.map { other in
                    exp(zip(q, key[other][features]).reduce(0) { $0 + $1.0 * $1.1 })
                }
                let total = weights.reduce(0, +)
                return features.map { feature in
                    zip(visible, weights).reduce(0) { $0 + $1.1 * value[$1.0][feature] } / total
                }
            }
        }
    }
}
