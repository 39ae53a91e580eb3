internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// How much an error in the output of a matrix matters, token by token: what the loss feels of it.
///
/// With g the gradient of the loss by the outputs of a matrix at a token, an error e of its weights changes the loss by
/// ½ (g · e x)² in the mean over what could follow (the Fisher information, whose square form the KL divergence is near
/// the teacher). Taken as the same in all outputs that is |g|² |e x|²: inputs x weigh by |g|² (GuidedQuant, Kim et al.
/// 2025, arXiv 2505.07004, with one group). It differs by orders of magnitude between tokens: to the down projection of
/// block 5 of Gemma 3 270M flow back 300 times the mean for the first token of a sequence, and a tenth for most others.
///
/// Weights are |g| rather than |g|²: few tokens have most of the squares, and what is learned of them does not hold for
/// other text.
struct TokenImportance {
    /// By what the matrix is for: of the tokens of all sequences, one after the other, with mean 1.
    let weights: [TensorRole: [Float]]
    /// Σ g gᵀ / |g| over the tokens, `[rows][rows]`: how errors in the outputs of a matrix work together. Of those that
    /// ``couples(_:)`` names.
    let outputs: [TensorRole: Memory]

    /// Passes `sequences` of equal length through a student as it stands, and the gradients of the text's likelihood
    /// back.
    ///
    /// - Parameter atATime: sequences that pass together.
    init(
        _ student: Student, sequences: [[Int32]], atATime: Int, recomputes: Bool,
        continues: (_ done: Int) -> Bool = { _ in true }
    ) throws(ModelError) {
        var squares: [Parameter: [Float]] = [:]
        var products: [Parameter: Memory] = [:]
        for matrix in student.matrices where Self.couples(matrix) {
            products[matrix.parameter] = Memory(byteCount: matrix.rows * matrix.rows * 4)
        }
        let compute = student.compute
        let gradients = Gradients(compute: compute) { parameter, gradient in
            let own = compute.squaresOfTokens(gradient)
            squares[parameter, default: []] += own
            guard let product = products[parameter] else { return }
            // Tokens weigh by |g| here as there.
            let weights = own.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
            compute.addGram(of: gradient, weights: weights[...], to: product.floats)
        }
        var loss = DistillationLoss()
        loss.crossEntropy = 1
        let pass = DistillationPass(
            teacher: student.unquantized, student: student.quantized, loss: loss, recomputes: recomputes)
        for start in stride(from: 0, to: sequences.count, by: atATime) {
            let end = min(start + atATime, sequences.count)
            // The same for a token whichever pass it is in.
            let share = Float(end - start) / Float(sequences.count)
            let batch = Array(sequences[start..<end])
            _ = try pass.run(
                batch, cached: .unasked(batch.reduce(0) { $0 + $1.count }), weight: share, into: gradients)
            guard continues(end) else { break }
        }
        var weights: [TensorRole: [Float]] = [:]
        var outputs: [TensorRole: Memory] = [:]
        for matrix in student.matrices {
            outputs[matrix.role] = products[matrix.parameter]
            guard let own = squares[matrix.parameter] else { continue }
            weights[matrix.role] = Self.normalized(own.map { $0.squareRoot() })
        }
        self.weights = weights
        self.outputs = outputs
    }

    /// Whether errors in the outputs of a matrix are looked at together: for those of feed-forward layers of several
    /// thousand features the products of all blocks would not fit beside the model.
    static func couples(_ matrix: TrainedMatrix) -> Bool { matrix.rows <= mostCoupled }

    private static let mostCoupled = 4096

    /// With mean 1; all 1 where nothing flowed back, or what is no number.
    private static func normalized(_ values: [Float]) -> [Float] {
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1))
        guard mean > 0, mean.isFinite else { return values.map { _ in 1 } }
        return values.map { Float(Double($0) / mean) }
    }
}
