/// What a student's probabilities are compared with.
public enum DistillationTarget: Sendable {
    /// A teacher that is at hand: its final states, in the layout of the student's, and its head
    /// `[vocabulary, features]`.
    case live(states: Tensor, head: Matrix)
    /// What was kept of its probabilities, of as many tokens as the student's states.
    case cached(TeacherProbabilities)

    var isCached: Bool { if case .cached = self { true } else { false } }
}
