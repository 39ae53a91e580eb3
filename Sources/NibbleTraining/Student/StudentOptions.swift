public import NibbleQuantization

/// What of a model is trained, and how it is rounded.
public struct StudentOptions: Sendable {
    /// Groups of parameters.
    public enum Parameters: String, CaseIterable, Sendable {
        /// The matrices of attention and feed-forward layers.
        case linear
        /// Norms and biases.
        case norms
        /// The token embedding, and the vocabulary head where it is a matrix of its own.
        case embedding
        /// The scales of the blocks of ``linear``, and of ``embedding`` where that is trained, too; together with
        /// `config.scales == .learned`, and only then. Without ``linear`` its weights stay as they are; their codes still
        /// follow from weight and scale.
        case scales
    }

    /// Whether the start is drawn within quantization cells.
    public enum Dithering: String, CaseIterable, Sendable {
        /// Where the teacher's weights lie on a grid that has ties of the student's.
        case auto
        case always
        case never
    }

    /// Which tensor becomes what.
    public var plan = QuantizationPlan(.q4_0)
    /// How weights are rounded.
    public var config = FakeQuantizeConfig()
    /// What is trained.
    public var parameters: Set<Parameters> = [.linear]
    /// Whether the start is dithered.
    public var dithering = Dithering.auto
    /// Seed of the dither.
    public var ditherSeed: UInt64 = 1

    /// Q4_0, linear weights.
    public init() {}
}
