/// An interval that holds the true value of a figure with a probability of 95 %.
public struct Interval: Sendable, Equatable {
    /// Its lower end.
    public let lower: Double
    /// Its upper end.
    public let upper: Double

    /// The probability.
    public static let level = 0.95
}
