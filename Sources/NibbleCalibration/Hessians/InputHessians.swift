internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Σ x xᵀ over the tokens of some text for the inputs x of some matrices of a block, each token by its weight.
///
/// Without token weights matrices with one input share one Hessian.
struct InputHessians {
    /// Σ x xᵀ, x in the unquantized model: how errors of a row's weights work together. `[columns][columns]` by what the
    /// matrix is for.
    private(set) var hessians: [TensorRole: Memory] = [:]
    /// Σ (x - x̃) xᵀ, x̃ in the quantized model: what is lost before these matrices. Empty where streams do not compare.
    private(set) var losses: [TensorRole: Memory] = [:]

    /// Passes the unquantized model's streams on where the matrices are the last of a sublayer.
    ///
    /// - Parameters:
    ///   - streams: before the sublayer that the matrices belong to, all before them rounded.
    ///   - gradients: of the tokens of all streams; nil: all weigh the same.
    init(
        _ streams: inout PairedStreams, _ group: Sublayer.InputGroup, layer: Int,
        gradients: OutputGradients? = nil
    ) {
        let compute = streams.reference.compute
        let roles = group.kinds.map { TensorRole($0, layer: layer) }
        for (index, stream) in streams.exact.enumerated() {
            let x = streams.reference.input(of: group, layer: layer, stream)
            let lost = streams.rounded.map { rounded in
                compute.subtract(streams.quantized.input(of: group, layer: layer, rounded[index]), from: x)
            }
            let tokens = x.layout.tokens
            for role in gradients == nil ? [roles[0]] : roles {
                let weights = gradients?.weights[role]?[index * tokens..<(index + 1) * tokens]
                compute.addGram(of: x, weights: weights, to: Self.sum(&hessians, role, x.features))
                guard let lost else { continue }
                compute.addGram(of: lost, x, weights: weights, to: Self.sum(&losses, role, x.features))
            }
            if group.isLast { streams.lead(index, with: x, through: group.sublayer, of: layer) }
        }
        guard gradients == nil else { return }
        for role in roles.dropFirst() {
            hessians[role] = hessians[roles[0]]
            losses[role] = losses[roles[0]]
        }
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
