/// Tells a loss that runs away: the mean of the last steps is compared with the first on rounded weights, which nothing had
/// changed yet, or with the evaluation before it.
struct ConvergenceCheck: Equatable {
    /// Running mean of the loss.
    var runningLoss = 0.0
    /// The first of it.
    var firstLoss = 0.0

    /// Times that the running loss may grow beyond the first.
    private static let factor = 4.0
    /// Nats up to which no loss has run away: formats of 8 bits begin so close to the teacher that any step is many
    /// times as far.
    private static let harmlessLoss = 0.2
    /// Steps over which the loss is averaged, and how many of them are enough to tell.
    private static let (window, fewest) = (20, 5)

    /// Adds a step's loss; returns what is wrong, nil where nothing is.
    ///
    /// - Parameters:
    ///   - age: steps on rounded weights before this one; less than 0 before rounding begins, when the student is the
    ///     teacher and its loss next to nothing.
    ///   - norm: that of the gradients.
    ///   - divergence: that of an evaluation before the first step; 0 for none.
    mutating func problem(loss: Double, norm: Double, age: Int, divergence: Double) -> String? {
        guard loss.isFinite, norm.isFinite else {
            return "the loss is \(loss), the norm of the gradients \(norm)"
        }
        guard age >= 0 else { return nil }
        if age == 0 { firstLoss = max(loss, divergence) }
        runningLoss += (loss - runningLoss) / Double(min(age + 1, Self.window))
        guard age + 1 >= Self.fewest, runningLoss > max(Self.factor * firstLoss, Self.harmlessLoss) else {
            return nil
        }
        return "the mean loss rose from \(Decimals.short(firstLoss)) to \(Decimals.short(runningLoss))"
    }
}
