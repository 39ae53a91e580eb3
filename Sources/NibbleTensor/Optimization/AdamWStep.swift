internal import CKernels

/// One step of AdamW (Loshchilov and Hutter 2019) with PyTorch's arithmetic, element by element.
///
/// m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²;
/// w ← w (1 - η λ) - η / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε).
///
/// β₁ and β₂ are rounded to `Float`, in the corrections, too: v is off from PyTorch's by up to 3e-5 of itself for
/// β₂ = 0.999, and weights do not show it.
public struct AdamWStep: Sendable {
    /// The learning rate η.
    public var rate: Float
    /// β₁ and β₂.
    public var beta1: Float, beta2: Float
    /// ε.
    public var epsilon: Float
    /// The weight decay λ.
    public var decay: Float
    /// What gradients are multiplied by first: clipping.
    public var gradientScale: Float
    /// t, from 1 on.
    public var step: Int

    /// Creates a step.
    public init(
        rate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, gradientScale: Float = 1,
        step: Int
    ) {
        precondition(step > 0, "step \(step)")
        (self.rate, self.beta1, self.beta2, self.epsilon) = (rate, beta1, beta2, epsilon)
        (self.decay, self.gradientScale, self.step) = (decay, gradientScale, step)
    }

    /// The same step at `factor` times its rate.
    public func scaled(_ factor: Float) -> AdamWStep {
        var step = self
        step.rate *= factor
        return step
    }

    /// Changes `count` weights and their moments `m` and `v`.
    public func apply(
        to weights: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
        m: UnsafeMutablePointer<Float>,
        v: UnsafeMutablePointer<Float>, count: Int, compute: Compute
    ) {
        apply(
            to: weights, gradient: gradient, m: m, v: v, units: nil, width: 1, count: count, compute: compute)
    }

    /// The same, each weight moving by its rate times the magnitude of its unit, and not decaying.
    ///
    /// - Parameters:
    ///   - units: one for each `width` weights; nil: there are none, and weights decay.
    ///   - width: 1, or a multiple of 16.
    package func apply(
        to weights: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
        m: UnsafeMutablePointer<Float>, v: UnsafeMutablePointer<Float>, units: UnsafePointer<Float>?,
        width: Int, count: Int, compute: Compute
    ) {
        precondition(width == 1 || width > 0 && width.isMultiple(of: 16), "units of \(width) weights")
        // In Double, as PyTorch does.
        var coefficients = nibble_adamw(
            rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay,
            correction1: Float(1 - Self.power(Double(beta1), step)),
            root2: Float((1 - Self.power(Double(beta2), step)).squareRoot()), scale: gradientScale)
        nibble_adamw_step(
            weights, gradient, m, v, units, width, count, &coefficients, compute.levelNumber)
    }

    /// base to the power of `exponent`, by squaring.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result
    }
}

extension Gradients {
    /// The sum of the squares of all gradients of `parameters`, the same for every number of threads.
    public func sumOfSquares(_ parameters: [Parameter]) -> Double {
        let piece = 1 << 18
        var total = 0.0
        for parameter in parameters {
            guard let values = self[parameter], let start = values.baseAddress else { continue }
            let pieces = (values.count + piece - 1) / piece
            let sums = compute.pool.take(bytes: 8 * pieces)
            let parts = sums.bound(to: Double.self)
            compute.workers.forEach(pieces) { index in
                let count = min(piece, values.count - index * piece)
                parts[index] = nibble_sum_squares(start + index * piece, count, compute.levelNumber)
            }
            for index in 0..<pieces { total += parts[index] }
        }
        return total
    }
}
