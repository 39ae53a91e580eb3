/// How a student's probabilities are compared with a teacher's.
///
/// With p the teacher's and q the student's softmax at the temperature T, and c and r the weights below, a token's loss
/// is (1 - c) T² ((1 - r) KL(p || q) + r KL(q || p)) - c log q₁(next token), q₁ at temperature 1 (Hinton et al. 2015,
/// section 2, for T²). The loss of a batch is the mean over its tokens.
public struct DistillationLoss: Sendable, Equatable {
    /// T > 0: what logits are divided by.
    public var temperature: Float = 1
    /// c, 0 to 1: the weight of the text's own next token.
    public var crossEntropy: Float = 0
    /// r, 0 to 1: the weight of the reverse divergence.
    public var reverseKL: Float = 0
    /// Nats that a token contributes at most: the gradient of one with more is scaled down to that. Nil: no bound.
    public var tokenClip: Float?
    /// Weight of the distance of hidden states, added to the above: over all blocks the sum, over all tokens the mean
    /// of mean((s - t)²) / (mean(t²) + ε), s and t the residual streams of student and teacher after the block, ε that of
    /// the model's norms. Not clipped.
    public var hidden: Float = 0

    /// Probability that may be neglected on the way back: rows of the vocabulary whose gradients all stay below it, for a
    /// panel of tokens, are left out of the gradient of the final states. 0 leaves out nothing that is not 0.
    package var negligible: Float = 1e-6

    /// Forward KL at temperature 1.
    public init() {}

    /// What a batch came to.
    public struct Result: Sendable {
        /// Tokens compared.
        public var tokens = 0
        /// Mean loss, clipping included.
        public var loss = 0.0
        /// Mean KL(teacher || student) at the loss' temperature, in nats; from a cached teacher, that over its entries and
        /// the rest as one outcome.
        public var divergence = 0.0
        /// Mean -log q of the next token at the loss' temperature.
        public var negativeLogLikelihood = 0.0
        /// -log q of the next token of each token.
        package var negativeLogLikelihoods: [Float] = []
        /// The distance of hidden states, without its weight; 0 where it has none.
        public var hidden = 0.0
        /// Tokens whose contribution was clipped.
        public var clipped = 0

        /// Nothing yet.
        public init() {}
    }
}
