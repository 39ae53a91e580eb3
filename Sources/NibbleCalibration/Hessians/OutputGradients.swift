internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// What the gradients of a text's cross-entropy by the outputs of matrices say: how much each token matters, and how errors
/// of outputs work together.
///
/// With g the gradient by the outputs of a matrix at a token, an error e of its weights changes the loss by ½ (g · e x)² in
/// the mean over what could follow (the Fisher information, whose square form the KL divergence is near the unquantized
/// model). Taken as the same in all outputs that is |g|² |e x|²: inputs x weigh by |g|² (GuidedQuant, Kim et al. 2025,
/// arXiv 2505.07004, with one group). It differs by orders of magnitude between tokens: at the down projection of block 5
/// of Gemma 3 270M it is 300 times the mean for the first token of a sequence, and a tenth for most others.
///
/// Weights are |g| rather than |g|²: few tokens have most of the squares, and what is learned of them does not hold for
/// other text.
struct OutputGradients {
    /// By what the matrix is for: of the tokens of all sequences, one after the other, with mean 1. A matrix whose
    /// gradients are all zero, or no numbers, has none: its tokens weigh the same.
    let weights: [TensorRole: [Float]]
    /// The output Hessians Σ g gᵀ / |g| over the tokens, `[rows][rows]`, of matrices of at most ``mostRows`` rows.
    let hessians: [TensorRole: Memory]

    /// Rows of a matrix up to which its output Hessian is measured: those of all blocks are held at once, and for
    /// feed-forward layers of several thousand features they would not fit beside the model.
    static let mostRows = 4096

    /// Passes `sequences` of equal length through a model as it stands, and the gradients of their cross-entropy back.
    ///
    /// - Parameters:
    ///   - model: one whose matrices are parameters, those of `matrices` among them.
    ///   - atATime: sequences that pass together.
    ///   - continues: asked after each of these, with the sequences done.
    init(
        _ model: LanguageModel, _ matrices: [CalibratedMatrix], sequences: [[Int32]], atATime: Int,
        recomputes: Bool, continues: (_ done: Int) -> Bool = { _ in true }
    ) throws(ModelError) {
        var squares: [Parameter: [Float]] = [:]
        var sums: [Parameter: Memory] = [:]
        for matrix in matrices where matrix.rows <= Self.mostRows {
            sums[matrix.parameter] = Memory(byteCount: matrix.rows * matrix.rows * 4)
        }
        let compute = model.compute
        let gradients = Gradients(compute: compute) { parameter, gradient in
            let own = compute.squaresOfTokens(gradient)
            squares[parameter, default: []] += own
            guard let sum = sums[parameter] else { return }
            // Tokens weigh by |g| here as there.
            let weights = own.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
            compute.addGram(of: gradient, weights: weights[...], to: sum.floats)
        }
        for start in stride(from: 0, to: sequences.count, by: atATime) {
            let end = min(start + atATime, sequences.count)
            // The same for a token whichever pass it is in.
            let share = Float(end - start) / Float(sequences.count)
            try model.addCrossEntropyGradients(
                of: Array(sequences[start..<end]), weight: share, recomputes: recomputes, to: gradients)
            guard continues(end) else { break }
        }
        var weights: [TensorRole: [Float]] = [:]
        var hessians: [TensorRole: Memory] = [:]
        for matrix in matrices {
            hessians[matrix.role] = sums[matrix.parameter]
            guard let own = squares[matrix.parameter] else { continue }
            weights[matrix.role] = Self.normalized(own.map { $0.squareRoot() })
        }
        self.weights = weights
        self.hessians = hessians
    }

    /// With mean 1; nil where all gradients are zero, or one is no number.
    private static func normalized(_ values: [Float]) -> [Float]? {
        let mean = values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1))
        guard mean > 0, mean.isFinite else { return nil }
        return values.map { Float(Double($0) / mean) }
    }
}
