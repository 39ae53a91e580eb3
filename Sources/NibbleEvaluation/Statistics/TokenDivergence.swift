internal import CLibrary

/// What one scored token says about a model and the one it is compared with.
public struct TokenDivergence: Sendable, Equatable {
    /// Negative log likelihood of the token under the model.
    public var nll: Double
    /// Negative log likelihood of the token under the base model.
    public var baseNll: Double
    /// Kullback-Leibler divergence of the model's distribution from the base model's,
    /// Σ p_base (ln p_base - ln p).
    public var divergence: Double
    /// Probability of the token under the model minus that under the base model.
    public var probabilityDifference: Double
    /// Whether both models hold the same token the most probable.
    public var sameTop: Bool
}

extension TokenDivergence {
    /// The difference of probabilities follows from the likelihoods: exp(-nll) - exp(-baseNll).
    init(nll: Double, baseNll: Double, divergence: Double, sameTop: Bool) {
        self.init(
            nll: nll, baseNll: baseNll, divergence: divergence,
            probabilityDifference: exp(-nll) - exp(-baseNll), sameTop: sameTop)
    }

    /// The first number that is NaN or infinite.
    var flaw: (quantity: String, value: Double)? {
        let numbers: KeyValuePairs = [
            "negative log likelihood": nll, "base model's negative log likelihood": baseNll,
            "KL divergence": divergence, "difference of probabilities": probabilityDifference,
        ]
        return numbers.first { !$0.value.isFinite }.map { (quantity: $0.key, value: $0.value) }
    }
}
