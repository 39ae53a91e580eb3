internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Rounds the matrices of the blocks of some quantized models, those with one input after the other, by what the sequences
/// of ``streams`` say of them.
struct RoundingPass {
    /// In the order of ``PairedStreams/rounded``.
    let variants: [QuantizedVariant]
    let options: CalibrationOptions
    let plan: CalibrationPlan
    let streams: PairedStreams
    /// How many of the sequences, from the first on, are calibrated on; the others only go along.
    let calibrating: Int
    /// What gradients say of matrices; nil where tokens weigh the same.
    let outputs: OutputGradientsFile?
    let journal: CalibrationJournal
    /// Called after each piece of work with the share of the sublayer that it was, about; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void
    private var reference: LanguageModel { streams.reference }
    private var compute: Compute { reference.compute }

    /// What became of a sublayer, or of the vocabulary.
    struct Done {
        /// What became of the matrices of each quantized model, and the digests of their rows.
        var matrices: [(variant: Int, result: CalibrationResult.Matrix, digest: String)] = []
        /// The errors of their residual streams behind it, as shares.
        var errors: [Double] = []
    }

    /// Rounds the matrices of a sublayer, and passes the streams through it.
    func round(_ sublayer: Sublayer, of layer: Int) throws(CheckpointError) -> Done {
        var done = Done()
        // What is before the sublayer is in the streams.
        var blocks = variants.map { _ in reference }
        // Half of it is to look at inputs, half to round.
        let share = 0.5 / Double(sublayer.groups.count)
        for group in sublayer.groups {
            let roles = group.kinds.map { TensorRole($0, layer: layer) }
            var inputs = try look(at: group, of: layer, roles, quantized: blocks, share: share)
            for (index, variant) in variants.enumerated() {
                let own = variant.calibrated(roles)
                inputs.begin(
                    index, isLast: index == variants.count - 1,
                    blockSizes: Set(own.compactMap { $0.grid?.blockSize }))
                var encoded: [TensorRole: Matrix] = [:]
                for tensor in own {
                    guard let grid = tensor.grid else { preconditionFailure("\(tensor.format) has no grid") }
                    let matrix = try CalibratedMatrix(
                        0..<tensor.rows, of: tensor, in: variant.matrices, grid: grid, compute: compute)
                    let result = try round(
                        matrix, &inputs, share: share / Double(own.count * variants.count))
                    try variant.rows.write(matrix)
                    done.matrices.append((index, result, try variant.rows.digest(of: tensor)))
                    encoded[tensor.role] = matrix.matrix
                }
                for role in roles where encoded[role] == nil {
                    encoded[role] = try variant.matrices[role].map { tensor throws(CheckpointError) in
                        try variant.matrices.nearest(tensor, compute: compute)
                    }
                }
                blocks[index] = blocks[index].replacing(encoded)
            }
        }
        done.errors = try streams.follow(through: sublayer, of: layer, quantized: blocks)
        return done
    }

    /// Passes the streams through a sublayer that an earlier process rounded.
    func pass(_ sublayer: Sublayer, of layer: Int) throws(CheckpointError) {
        let roles = sublayer.groups.flatMap(\.kinds).map { TensorRole($0, layer: layer) }
        var blocks: [LanguageModel] = []
        for (index, variant) in variants.enumerated() {
            var encoded: [TensorRole: Matrix] = [:]
            for role in roles {
                guard let tensor = variant.matrices[role] else { continue }
                guard let digest = journal.digest(of: tensor.name, variant: index),
                    let kept = try variant.rows.read(tensor, digest: digest)
                else {
                    encoded[role] = try variant.matrices.nearest(tensor, compute: compute)
                    continue
                }
                encoded[role] = tensor.encoded(kept.bytes, of: kept.file)
            }
            blocks.append(reference.replacing(encoded))
        }
        try streams.pass(sublayer, of: layer, quantized: blocks)
        try tick(0)
    }

    /// What is known of the inputs of some matrices.
    private struct Inputs {
        /// The mean squares of their features.
        var importance: [Float]?
        var hessians: InputHessians?
        /// The quantized model whose matrices are rounded.
        private(set) var variant = 0
        /// Whether it is the last.
        private(set) var isLast = true
        /// Columns whose scales are chosen together, in its matrices.
        private(set) var blockSizes: Set<Int> = []
        /// The factor of the Hessian that was asked for last, which several matrices may share.
        var factor: (of: TensorRole, result: Result<GPTQRounding, HessianFailure>)?
        /// What was asked for last of what inputs lack, which several matrices may share.
        var losses: (of: TensorRole, losses: MatrixRounding.Losses)?

        /// Goes to a quantized model.
        mutating func begin(_ variant: Int, isLast: Bool, blockSizes: Set<Int>) {
            (self.variant, self.isLast, self.blockSizes) = (variant, isLast, blockSizes)
            (factor, losses) = (nil, nil)
        }
    }

    private func look(
        at group: Sublayer.InputGroup, of layer: Int, _ roles: [TensorRole], quantized: [LanguageModel],
        share: Double
    ) throws(CheckpointError) -> Inputs {
        let own = variants.map { Set($0.calibrated(roles).map(\.role)) }
        let roles = roles.filter { role in own.contains { $0.contains(role) } }
        var weights: [TensorRole: [Float]]?
        if let outputs {
            weights = [:]
            for role in roles { weights?[role] = try outputs.weights(role) }
        }
        var squares: [Double] = []
        let compared = own.map {
            $0.filter { options.comparesInputs && plan.form($0).comparesInputs }
        }
        var hessians =
            roles.isEmpty || options.method == .nearest
            ? nil : InputHessians(roles, compared: compared, weights: weights, compute: compute)
        var tokens = 0
        try streams.look(at: group, of: layer, quantized: quantized) { index, x throws(CheckpointError) in
            try variants[0].matrices.check(x, of: group, layer: layer, in: reference, sequence: index)
            try tick(share / Double(streams.count))
            guard index < calibrating else { return }
            tokens += x.layout.tokens
            if options.method == .nearest {
                if squares.isEmpty { squares = Array(repeating: 0, count: x.features) }
                compute.addSquares(of: x, to: &squares)
            }
            hessians?.add(x, index: index)
        } compare: { variant, index, x, lost throws(CheckpointError) in
            try variants[variant].matrices.check(
                lost, of: group, layer: layer, in: quantized[variant], sequence: index)
            guard index < calibrating else { return }
            hessians?.add(lost: lost, of: x, variant: variant, index: index)
        }
        hessians?.complete(columns: group.width(in: reference.configuration))
        // Rounding has no use for buffers of that size.
        compute.pool.releaseIdle()
        var inputs = Inputs(hessians: hessians)
        if options.method == .nearest, options.scales == .importance {
            inputs.importance = squares.map { Float($0 / Double(max(tokens, 1))) }
        }
        return inputs
    }

    private func round(
        _ matrix: CalibratedMatrix, _ inputs: inout Inputs, share: Double
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        let rounding = MatrixRounding(
            options: options, form: plan.form(matrix.role), compute: compute,
            tick: { part throws(CheckpointError) in try tick(part * share) })
        if let importance = inputs.importance {
            return try rounding.searchScales(matrix, importance: importance)
        }
        // Not held in a constant, which would hold the sums that are taken from it.
        guard let weighsTokens = inputs.hessians.map({ $0.weighsTokens(matrix.role) }) else {
            try rounding.roundToNearest(matrix)
            return .init(name: matrix.name, methods: [.nearest])
        }
        // What is lost comes first: its square then makes room for the factor.
        let lost = rounding.lose(matrix, losses(of: matrix, &inputs))
        switch factor(of: matrix, &inputs) {
        case .success(let factor):
            return try rounding.round(
                matrix, by: factor, lost: lost, weighsTokens: weighsTokens
            ) { () throws(CheckpointError) in try outputs?.hessians(matrix.role) ?? [] }
        case .failure(let failure):
            try rounding.roundToNearest(matrix)
            return .init(
                name: matrix.name, methods: [.nearest],
                missing: [.init(method: .gptq, reason: "\(failure)")])
        }
    }

    /// What the inputs of a matrix lack. Several may share it, which is kept then.
    private func losses(of matrix: CalibratedMatrix, _ inputs: inout Inputs) -> MatrixRounding.Losses {
        let variant = inputs.variant
        guard let role = inputs.hessians?.representative(matrix.role),
            inputs.hessians?.isCompared(matrix.role, variant: variant) == true
        else { return .missing }
        if let last = inputs.losses, last.of == role { return last.losses }
        let losses = MatrixRounding.Losses(
            inputs.hessians?.takeLosses(role, variant: variant), columns: matrix.columns, compute: compute)
        // Its square makes room for the factor where it is that of one matrix.
        inputs.losses = outputs == nil ? (role, losses) : nil
        return losses
    }

    /// The factor of the Hessian of a matrix' inputs.
    private func factor(
        of matrix: CalibratedMatrix, _ inputs: inout Inputs
    ) -> Result<GPTQRounding, HessianFailure> {
        guard let role = inputs.hessians?.representative(matrix.role) else { return .failure(.zero) }
        if let last = inputs.factor, last.of == role { return last.result }
        inputs.factor = nil
        guard let hessian = inputs.hessians?.hessian(role, isLast: inputs.isLast) else {
            return .failure(.zero)
        }
        let result = Result { () throws(HessianFailure) in
            try GPTQRounding(
                hessian, columns: matrix.columns, blockSizes: inputs.blockSizes, compute: compute)
        }
        inputs.factor = (role, result)
        return result
    }
}
