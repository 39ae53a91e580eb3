/// How a student's weights relate to the teacher's at the start.
public struct TeacherGrid: Sendable, Equatable {
    /// Weights of the sample that was looked at.
    public var sampled = 0
    /// Weights of it that lie within a thousandth of a step of a tie, where the smallest change flips the code. Of
    /// weights as training leaves them that is 0.2 %; of those that were dequantized from a grid up to a half.
    public var ties = 0
    /// Whether the start was drawn within the cells of the teacher's grid.
    public var isDithered = false

    /// Nothing sampled.
    public init() {}

    /// Whether the teacher lies on a grid with ties of the student's.
    public var hasTies: Bool { Double(ties) > 0.02 * Double(sampled) }
}
