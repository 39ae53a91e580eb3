internal import CLibrary

/// The divergence of a token's student from a cached teacher, over the teacher's entries and the rest as one outcome.
///
/// With p and q the probabilities of the entries, m and n the teacher's and the student's mass outside of them, and ε
/// below, it is D = Σ p log(p / q) + (m + ε) log((m + ε) / (n + ε)), at most the divergence over the whole vocabulary
/// (the data-processing inequality) but for ε. The student's mass is 1 - Σ q, good to some 1e-7; ε keeps the quotient
/// of two tails that small from being noise.
///
/// With r = (m + ε) / (n + ε) and w = Σ p + r n (1 but for rounding and ε), the derivative by a logit z_v, divided by
/// the temperature already, is w q_v - p_v for an entry, and (w - r) q_v for any other token: a student that
/// gives the rest too much mass (r < 1) loses some of each token outside in proportion to its probability.
struct BucketDivergence {
    /// Probability below which tails are not told apart.
    static let epsilon = 0x1p-20

    /// D, in nats.
    let value: Double
    /// w: the weight of the student's probability of an entry.
    let innerWeight: Double
    /// w - r: the weight of any other.
    let outerWeight: Double

    /// - Parameters:
    ///   - probabilities: p; entries with 0 count as nothing.
    ///   - logits: the student's logits of the entries, divided by the temperature.
    ///   - logSum: log Σ exp of all of the student's.
    init(probabilities: ArraySlice<Float>, tail: Float, logits: [Float], logSum: Double) {
        var (divergence, mass, own) = (0.0, 0.0, 0.0)
        for (p, logit) in zip(probabilities, logits) {
            let (p, logProbability) = (Double(p), Double(logit) - logSum)
            own += exp(logProbability)
            guard p > 0 else { continue }
            mass += p
            divergence += p * (log(p) - logProbability)
        }
        let rest = max(0, 1 - own)
        let (outer, ratio) = (
            Double(tail) + Self.epsilon, (Double(tail) + Self.epsilon) / (rest + Self.epsilon)
        )
        value = divergence + outer * log(ratio)
        innerWeight = mass + ratio * rest
        outerWeight = innerWeight - ratio
    }
}
