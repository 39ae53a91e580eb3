internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// The products of all pairs of features of what flows into some matrices of a block, over the tokens of some text. Each
/// token weighs as much as an error there matters.
///
/// Without such weights matrices with the same input share one.
struct InputProducts {
    /// Σ x xᵀ, x what the unquantized model puts in: how errors of a row's weights work together. `[columns][columns]` by
    /// what the matrix is for.
    private(set) var products: [TensorRole: Memory] = [:]
    /// Σ (x - x̃) xᵀ, x̃ what the student puts in: what is lost before these matrices. Of none where streams do not
    /// compare.
    private(set) var losses: [TensorRole: Memory] = [:]

    /// Passes the teacher's streams on where the matrices are the last of a half.
    ///
    /// - Parameters:
    ///   - streams: before the half of the block that the matrices belong to, all before them rounded.
    ///   - importance: of the tokens of all streams; nil: all weigh the same.
    init(
        _ streams: inout PairedStreams, _ group: InputGroup, layer: Int, importance: TokenImportance? = nil
    ) {
        let (kind, compute) = (group.kinds[0], streams.teacher.compute)
        let roles = group.kinds.map { TensorRole($0, layer: layer) }
        for (index, stream) in streams.exact.enumerated() {
            let x = streams.teacher.input(of: kind, layer: layer, stream)
            let lost = streams.rounded.map { rounded in
                compute.subtract(streams.student.input(of: kind, layer: layer, rounded[index]), from: x)
            }
            let tokens = x.layout.tokens
            for role in importance == nil ? [roles[0]] : roles {
                let weights = importance?.weights[role]?[index * tokens..<(index + 1) * tokens]
                compute.addGram(of: x, weights: weights, to: Self.sum(&products, role, x.features))
                guard let lost else { continue }
                compute.addGram(of: lost, x, weights: weights, to: Self.sum(&losses, role, x.features))
            }
            if let half = group.lastOf { streams.lead(index, with: x, through: half, of: layer) }
        }
        guard importance == nil else { return }
        for role in roles.dropFirst() {
            products[role] = products[roles[0]]
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
