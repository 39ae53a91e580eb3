/// The sixteen levels of ``IQ4_NL`` and ``IQ4_XS``, denser around zero: ggml's `kvalues_iq4nl`.
enum NonLinearTable {
    static let levels: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

    /// The index of the level nearest to `value`, ties to the upper one; NaN gives some index.
    static func nearest(_ value: Float) -> UInt8 {
        if value <= levels[0] { return 0 }
        if value >= levels[15] { return 15 }
        guard let upper = levels.firstIndex(where: { value < $0 }) else { return 15 }
        return UInt8(value - levels[upper - 1] < levels[upper] - value ? upper - 1 : upper)
    }

    /// Weights of squared errors of a whole block: x², with importance that times √(2 · mean square of the block + x²).
    static func weights(_ x: [Float], _ importance: BlockImportance?) -> [Float] {
        guard let importance else { return x.map { $0 * $0 } }
        let variance = x.reduce(0) { $0 + $1 * $1 } * (2 / Float(x.count))
        return importance.errorWeights(x[...], variance: variance)
    }

    /// The scale of 32 values: of the one that puts the value of largest magnitude, with its sign reversed, on the first
    /// level and the 15 that put it on -127 + t, t = -7 ... 7, the one whose nearest levels leave the smallest Σ w error²
    /// once the scale is fitted to them; the earlier one where two are equal.
    ///
    /// - Returns: the fitted scale, which may be negative; 0 where all |x| < 1e-15.
    static func scale(_ x: [Float], weights: [Float]) -> Float {
        let extreme = LegacyBlocks.extreme(x)
        guard extreme.magnitude >= allZero else { return 0 }
        func sums(_ inverse: Float) -> (qx: Float, q2: Float) {
            var (sumQX, sumQ2): (Float, Float) = (0, 0)
            for (value, weight) in zip(x, weights) {
                let q = levels[Int(nearest(inverse * value))]
                sumQX += weight * q * value
                sumQ2 += weight * q * q
            }
            return (sumQX, sumQ2)
        }
        let first = sums(1 / (-extreme / levels[0]))
        var scale = first.q2 > 0 ? first.qx / first.q2 : 0
        var best = scale * first.qx
        for shift in -7...7 {
            let (qx, q2) = sums((Float(shift) + levels[0]) / extreme)
            if q2 > 0 && qx * qx > best * q2 {
                scale = qx / q2
                best = scale * qx
            }
        }
        return scale
    }
}
