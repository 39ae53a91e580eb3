import Foundation
import NibbleNumerics
import NibbleTensor

/// What the kernels compute, in Double and one value at a time.
enum Reference {
    /// Σ w x and Σ |w x|.
    static func dot(_ w: some Sequence<Float>, _ x: some Sequence<Float>) -> (sum: Double, magnitude: Double)
    {
        var (sum, magnitude) = (0.0, 0.0)
        for (a, b) in zip(w, x) {
            let term = Double(a) * Double(b)
            sum += term
            magnitude += abs(term)
        }
        return (sum, magnitude)
    }

    /// A value rounded to BF16.
    static func bf16(_ value: Float) -> Float { Half.float(bf16: Half.bf16(value)) }

    /// One token in blocks of 32 of int8 codes: absmax / 127 for a block, nearest, ties to even.
    static func int8(_ x: [Float]) -> (codes: [Int], scales: [Float]) {
        var (codes, scales): ([Int], [Float]) = ([], [])
        for start in stride(from: 0, to: x.count, by: 32) {
            let block = x[start..<start + 32]
            let scale = block.reduce(0) { max($0, abs($1)) } * (1 / 127 as Float)
            let inverse = scale > Float.leastNormalMagnitude ? 1 / scale : 0
            codes += block.map { Int(($0 * inverse).rounded(.toNearestOrEven)) }
            scales.append(scale)
        }
        return (codes, scales)
    }

    static func gelu(_ x: Double) -> Double {
        // tanh loses all digits far left: 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)).
        x / (1 + exp(-geluArgument(x)))
    }

    /// 2 √(2/π) (x + 0.044715 x³)
    static func geluArgument(_ x: Double) -> Double {
        2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
    }

    static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// log Σ exp(x).
    static func logSum(_ x: [Float]) -> Double {
        let maximum = Double(x.max() ?? 0)
        return maximum + log(x.reduce(0) { $0 + exp(Double($1) - maximum) })
    }

    /// Causal attention of one head: `query` and `key`, `value` `[position][feature]`, queries from position
    /// `start` on. `magnitude` is the largest Σ |q k| of a visible key.
    static func attention(
        query: [[Float]], key: [[Float]], value: [[Float]], start: Int, window: Int?
    ) -> [(result: [Double], magnitude: Double)] {
        query.enumerated().map { index, q in
            let position = start + index
            let first = window.map { max(0, position - $0 + 1) } ?? 0
            let products = (first...position).map { dot(q, key[$0]) }
            let maximum = products.map(\.sum).max() ?? 0
            let weights = products.map { exp($0.sum - maximum) }
            let total = weights.reduce(0, +)
            let result = value[0].indices.map { feature in
                zip(first...position, weights).reduce(0.0) { $0 + $1.1 * Double(value[$1.0][feature]) }
                    / total
            }
            return (result, products.map(\.magnitude).max() ?? 0)
        }
    }
}

extension Reference {
    /// activation(gate) · up, and how far a kernel may be from it: the exponential and five more roundings, for
    /// gelu also the roundings of its argument, which the exponential multiplies by the argument. The exponential
    /// is clamped at exp(88) > 2^126, so that far left something below |x| / 2^126 is left of the gate.
    static func gate(_ gate: Float, _ up: Float, _ activation: Activation) -> (value: Double, bound: Double) {
        let (x, u) = (Double(gate), Double(up))
        let (bent, argument) =
            switch activation {
            case .silu: (silu(x), 0.0)
            case .geluTanh: (gelu(x), min(abs(geluArgument(x)), 128))
            }
        let relative = Bound.exponential + (6 + 6 * argument) * Bound.rounding
        return (bent * u, (abs(bent) * relative + abs(x) * 0x1p-126) * abs(u) + 0x1p-149)
    }
}
