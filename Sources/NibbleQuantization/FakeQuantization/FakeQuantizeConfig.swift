/// How weights are rounded while they are trained.
public struct FakeQuantizeConfig: Sendable, Equatable {
    /// Where the scale of a block comes from.
    public enum Scales: String, CaseIterable, Sendable {
        /// Chosen anew from the weights each time, as the codec does.
        case recomputed
        /// A parameter that is trained along with codes that are held, and written to the file as learned.
        case learned
    }

    /// What the straight-through estimator does where a value was clipped.
    public enum Gradient: String, CaseIterable, Sendable {
        /// The gradient passes everywhere (Bengio et al. 2013; Google's Gemma 3 QAT).
        case identity
        /// It stops where the value lies more than half a step beyond what the codes of its block reach
        /// (``RepresentableRange``). With learned scales no weight lies beyond.
        case masked
    }

    /// Where scales come from.
    public var scales: Scales = .recomputed
    /// The gradient of clipped values.
    public var gradient: Gradient = .identity

    /// Recomputed scales, gradient everywhere.
    public init() {}
}
