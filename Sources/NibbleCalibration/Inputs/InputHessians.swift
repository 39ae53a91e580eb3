internal import NibbleCheckpoint
internal import NibbleTensor

/// Σ x xᵀ over the tokens of some text for the inputs x of some matrices of a block, each token by its weight.
///
/// Without token weights matrices with one input share one Hessian.
struct InputHessians {
    /// Σ x xᵀ, x in the unquantized model: how errors of a row's weights work together. `[columns][columns]` by what the
    /// matrix is for.
    private var hessians: [TensorRole: Memory] = [:]
    /// Σ (x - x̃) xᵀ, x̃ in each of the quantized models: what is lost before these matrices. Empty where streams do not
    /// compare.
    private var losses: [[TensorRole: Memory]]
    private let roles: [TensorRole]
    /// Those that are compared, of each quantized model.
    private let compared: [Set<TensorRole>]
    /// Of the tokens of all sequences by what the matrix is for; nil: all weigh the same.
    private let weights: [TensorRole: [Float]]?
    private let compute: Compute

    /// Nothing summed yet.
    ///
    /// - Parameters:
    ///   - roles: matrices with one input.
    ///   - compared: of each quantized model those of them of which it matters what their inputs lack.
    ///   - weights: of the tokens of all sequences; a matrix that is not there has tokens that weigh the same. Nil: so
    ///     have all.
    init(
        _ roles: [TensorRole], compared: [Set<TensorRole>], weights: [TensorRole: [Float]]?, compute: Compute
    ) {
        self.roles = roles
        self.compared = compared
        losses = compared.map { _ in [:] }
        self.weights = weights
        self.compute = compute
    }

    /// Whether tokens weigh by gradients for a matrix; nil where that is not asked for.
    func weighsTokens(_ role: TensorRole) -> Bool? { weights.map { $0[role] != nil } }

    /// The matrix whose Hessian is that of `role` as well.
    func representative(_ role: TensorRole) -> TensorRole { weights == nil ? roles[0] : role }

    /// Those whose own sums are made.
    private var summed: [TensorRole] { weights == nil ? [roles[0]] : roles }

    /// Adds the tokens of sequence `index`.
    mutating func add(_ x: Tensor, index: Int) {
        for role in summed {
            compute.addGram(
                of: x, weights: weights(role, index, x), to: Self.sum(&hessians, role, x.features))
        }
    }

    /// Adds what the inputs lack in a quantized model in sequence `index`.
    mutating func add(lost: Tensor, of x: Tensor, variant: Int, index: Int) {
        for role in summed where compared[variant].contains(where: { representative($0) == role }) {
            compute.addGram(
                of: lost, x, weights: weights(role, index, x),
                to: Self.sum(&losses[variant], role, x.features))
        }
    }

    private func weights(_ role: TensorRole, _ index: Int, _ x: Tensor) -> ArraySlice<Float>? {
        weights?[role]?[index * x.layout.tokens..<(index + 1) * x.layout.tokens]
    }

    /// The Hessian of a matrix, to be changed.
    ///
    /// - Parameter isLast: whether nothing asks for it again.
    mutating func hessian(_ role: TensorRole, isLast: Bool) -> Memory? {
        let role = representative(role)
        if isLast { return hessians.removeValue(forKey: role) }
        return hessians[role]?.copy()
    }

    /// Whether it matters what the inputs of a matrix lack in a quantized model.
    func isCompared(_ role: TensorRole, variant: Int) -> Bool { compared[variant].contains(role) }

    /// Removes what the inputs of a matrix lack in a quantized model.
    mutating func takeLosses(_ role: TensorRole, variant: Int) -> Memory? {
        losses[variant].removeValue(forKey: representative(role))
    }

    /// Fills in what is below the diagonals: for when all sequences are added.
    func complete(columns: Int) {
        for hessian in hessians.values { compute.completeGram(hessian.floats, size: columns) }
    }

    /// Where to sum, zero at first.
    private static func sum(
        _ sums: inout [TensorRole: Memory], _ role: TensorRole, _ features: Int
    ) -> UnsafeMutablePointer<Float> {
        let memory = sums[role] ?? Memory(byteCount: features * features * 4)
        sums[role] = memory
        return memory.floats
    }
}
