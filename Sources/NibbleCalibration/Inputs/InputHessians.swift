internal import NibbleCheckpoint
internal import NibbleTensor

/// Σ x xᵀ over the tokens of some text for the inputs x of some matrices of a block, each token by its weight.
///
/// Without token weights matrices with one input share one Hessian.
struct InputHessians {
    /// Σ x xᵀ, x in the unquantized model: how errors of a row's weights work together. `[columns][columns]` by what the
    /// matrix is for.
    private var hessians: [TensorRole: Memory] = [:]
    /// Σ (x - x̃) xᵀ, x̃ in the quantized model: what is lost before these matrices. Empty where streams do not compare.
    private var losses: [TensorRole: Memory] = [:]
    private let roles: [TensorRole]
    /// Those that are compared.
    private let compared: Set<TensorRole>
    /// Of the tokens of all sequences by what the matrix is for; nil: all weigh the same.
    private let weights: [TensorRole: [Float]]?
    private let compute: Compute

    /// Nothing summed yet.
    ///
    /// - Parameters:
    ///   - roles: matrices with one input.
    ///   - compared: those of them of which it matters what their inputs lack.
    ///   - weights: of the tokens of all sequences; a matrix that is not there has tokens that weigh the same. Nil: so
    ///     have all.
    init(
        _ roles: [TensorRole], compared: Set<TensorRole>, weights: [TensorRole: [Float]]?, compute: Compute
    ) {
        self.roles = roles
        self.compared = compared
        self.weights = weights
        self.compute = compute
    }

    /// Whether tokens weigh by gradients for a matrix; nil where that is not asked for.
    func weighsTokens(_ role: TensorRole) -> Bool? { weights.map { $0[role] != nil } }

    /// Adds the tokens of sequence `index`.
    mutating func add(_ x: Tensor, lost: Tensor?, index: Int) {
        let tokens = x.layout.tokens
        for role in weights == nil ? [roles[0]] : roles {
            let weights = weights?[role]?[index * tokens..<(index + 1) * tokens]
            compute.addGram(of: x, weights: weights, to: Self.sum(&hessians, role, x.features))
            guard let lost, self.weights == nil ? !compared.isEmpty : compared.contains(role) else {
                continue
            }
            compute.addGram(of: lost, x, weights: weights, to: Self.sum(&losses, role, x.features))
        }
    }

    /// Removes the Hessian of a matrix, where it is not that of others as well.
    mutating func takeHessian(_ role: TensorRole) -> Memory? { take(role, from: &hessians) }

    /// Removes what the inputs of a matrix lack, where it is not that of others as well.
    mutating func takeLosses(_ role: TensorRole) -> Memory? {
        compared.contains(role) ? take(role, from: &losses) : nil
    }

    private func take(_ role: TensorRole, from sums: inout [TensorRole: Memory]) -> Memory? {
        weights == nil ? sums[roles[0]] : sums.removeValue(forKey: role)
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
