extension Recipe {
    /// What is minimized: the divergence of the student's probabilities from the teacher's, and what is mixed in.
    ///
    /// Per token: (1 - c) ((1 - r) KL(teacher ‖ student) + r KL(student ‖ teacher)) + c cross-entropy, with the
    /// weights c = ``crossEntropy`` and r = ``reverse``; plus ``hidden`` times the distance of hidden states.
    public struct Loss: Sendable, Equatable {
        /// What the logits of both models are divided by in the divergences.
        public var temperature: Float = 1
        /// The weight of the cross-entropy of the text itself.
        public var crossEntropy: Float = 0
        /// The weight of the reverse divergence within the divergences.
        public var reverse: Float = 0
        /// The weight of the distance between hidden states after each block.
        public var hidden: Float = 0
        /// What a token contributes at most, in nats; its gradient is scaled down to that. Nil: no limit.
        public var tokenClip: Float?

        /// The defaults.
        public init() {}
    }
}
