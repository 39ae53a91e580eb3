internal import NibbleCheckpoint
internal import NibbleTensor

/// What the gradients of a text's cross-entropy by the outputs of a matrix say: how much each token matters, and how errors
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
    /// |g|² of the tokens of all sequences, one after the other.
    private(set) var squares: [Float] = []
    /// The output Hessians Σ g gᵀ / |g| over the tokens, of each band of rows `[rows][rows]`.
    let hessians: [Hessian]

    /// The sum over a band of rows.
    typealias Hessian = (rows: Range<Int>, sum: Memory)

    /// Nothing seen yet.
    init(_ bands: [Range<Int>]) {
        hessians = bands.map { ($0, Memory(byteCount: $0.count * $0.count * 4)) }
    }

    /// `count` bands of the rows of a matrix.
    static func bands(_ count: Int, rows: Int) -> [Range<Int>] {
        (0..<count).map { rows * $0 / count..<rows * ($0 + 1) / count }
    }

    /// Bytes of the Hessians of some bands.
    static func byteCount(_ bands: [Range<Int>]) -> Int { bands.reduce(0) { $0 + 4 * $1.count * $1.count } }

    /// Adds the tokens of some sequences; ``complete(_:)`` after the last.
    mutating func add(_ gradient: Tensor, _ compute: Compute) {
        let own = compute.squaresOfTokens(gradient)
        squares += own
        guard !hessians.isEmpty else { return }
        // Tokens weigh by |g| here as there.
        let weights = own.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
        compute.addGrams(
            of: gradient, weights: weights[...],
            to: hessians.map { (features: $0.rows, target: $0.sum.floats) })
    }

    /// Fills in what is below the diagonals of the output Hessians: for when all sequences are added.
    func complete(_ compute: Compute) {
        for (rows, sum) in hessians { compute.completeGram(sum.floats, size: rows.count) }
    }

    /// |g| with mean 1, of |g|²; nil where all gradients are zero, or one is no number.
    static func weights(_ squares: some Collection<Float>) -> [Float]? {
        let sizes = squares.map { $0.squareRoot() }
        let mean = sizes.reduce(0.0) { $0 + Double($1) } / Double(max(sizes.count, 1))
        guard mean > 0, mean.isFinite else { return nil }
        return sizes.map { Float(Double($0) / mean) }
    }
}
