internal import NibbleCheckpoint
internal import NibbleTensor

/// Updates each matrix on the way back, as soon as its gradient is whole, so that one gradient is held at a time: gradient
/// computation and update fused, as in LOMO (Lv et al. 2023, arXiv 2306.09782).
///
/// The vocabulary, which has a gradient at both ends of the model, and vectors wait for the end of the step.
///
/// The norm of all gradients is not known before the last of them. `optimizer.clip_norm` therefore bounds each matrix and
/// vector alone: its gradient is scaled down to the part of the norm that is its own if all weights have the same, the root
/// of its share of the trained weights.
final class FusedUpdate {
    /// Those of this step, not clipped.
    let steps: StudentSteps
    /// The sum of the squares of the gradients so far. It is not finite where one of them is not; its matrix is not changed.
    private(set) var sumOfSquares = 0.0
    /// What made a matrix end as no numbers; those after it are not changed.
    private(set) var error: CheckpointError?
    private let student: Student
    private let gradients: Gradients
    private let clipNorm: Float?
    private let trainedCount: Int
    private let matrices: [Parameter: TrainedMatrix]

    /// - Parameter gradients: those of the step, which hand whole ones to this.
    init(_ student: Student, _ recipe: Recipe, step: Int, _ gradients: Gradients) {
        steps = StudentSteps(recipe, step: step, norm: nil)
        self.student = student
        self.gradients = gradients
        clipNorm = recipe.optimizer.clipNorm
        trainedCount = student.parameters.reduce(0) { $0 + $1.count }
        matrices = Dictionary(
            uniqueKeysWithValues: student.matrices.filter { !$0.role.isVocabulary }.map { ($0.parameter, $0) }
        )
        gradients.takeWhole = { [unowned self] parameter in take(parameter) }
    }

    /// Updates a matrix whose gradient is whole; false where it waits.
    private func take(_ parameter: Parameter) -> Bool {
        guard let matrix = matrices[parameter] else { return false }
        let squares = gradients.sumOfSquares([parameter])
        sumOfSquares += squares
        guard squares.isFinite, error == nil else { return true }
        do throws(CheckpointError) {
            try student.update(matrix, gradients, by: clipped(parameter, squares))
        } catch {
            self.error = error
        }
        return true
    }

    /// Updates what waited.
    func finish() throws(CheckpointError) {
        gradients.takeWhole = nil
        if let error { throw error }
        for matrix in student.matrices where matrices[matrix.parameter] == nil {
            try student.update(matrix, gradients, by: clipped(matrix.parameter))
        }
        for vector in student.vectors {
            student.update(vector, gradients, by: clipped(vector.parameter))
        }
    }

    /// The steps of a parameter.
    ///
    /// - Parameter squares: the sum of the squares of its gradient, where it is known.
    private func clipped(_ parameter: Parameter, _ squares: Double? = nil) -> StudentSteps {
        guard let clipNorm else { return steps }
        let share = Double(parameter.count) / Double(trainedCount)
        let squares = squares ?? gradients.sumOfSquares([parameter])
        return steps.clipped(norm: squares.squareRoot(), to: clipNorm * Float(share.squareRoot()))
    }
}
