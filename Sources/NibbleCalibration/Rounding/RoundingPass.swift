internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Rounds the matrices of a model's blocks, those with one input after the other, by what the sequences of ``streams``
/// say of them.
struct RoundingPass {
    let matrices: QuantizedMatrices
    let options: CalibrationOptions
    let plan: CalibrationPlan
    let streams: PairedStreams
    /// How many of the sequences, from the first on, are calibrated on; the others only go along.
    let calibrating: Int
    /// What gradients say of matrices; nil where tokens weigh the same.
    let outputs: OutputGradientsFile?
    /// Where the encoded rows are kept, and their digests.
    let rows: EncodedRowsFile
    let journal: CalibrationJournal
    /// Called after each piece of work with the share of the sublayer that it was, about; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void
    private var reference: LanguageModel { streams.reference }
    private var compute: Compute { reference.compute }

    /// What became of a sublayer.
    struct Done {
        var matrices: [(result: CalibrationResult.Matrix, digest: String)] = []
        /// The error of the residual streams behind it, as a share.
        var error: Double?
    }

    /// Rounds the matrices of a sublayer, and passes the streams through it.
    func round(_ sublayer: Sublayer, of layer: Int) throws(CheckpointError) -> Done {
        var done = Done()
        // What is before the sublayer is in the streams.
        var block = reference
        // Half of it is to look at inputs, half to round.
        let share = 0.5 / Double(sublayer.groups.count)
        for group in sublayer.groups {
            let roles = group.kinds.map { TensorRole($0, layer: layer) }
            let own = matrices.calibrated.filter { roles.contains($0.role) }
            var inputs = try look(at: group, of: layer, own.map(\.role), quantized: block, share: share)
            inputs.blockSizes = Set(own.compactMap { $0.grid?.blockSize })
            var encoded: [TensorRole: Matrix] = [:]
            for tensor in own {
                guard let grid = tensor.grid else { preconditionFailure("\(tensor.format) has no grid") }
                let matrix = try CalibratedMatrix(
                    0..<tensor.rows, of: tensor, in: matrices, grid: grid, compute: compute)
                let result = try round(matrix, &inputs, share: share / Double(own.count))
                try rows.write(matrix)
                done.matrices.append((result, try rows.digest(of: tensor)))
                encoded[tensor.role] = matrix.matrix
            }
            for role in roles where encoded[role] == nil {
                encoded[role] = try matrices[role].map { tensor throws(CheckpointError) in
                    try matrices.nearest(tensor, compute: compute)
                }
            }
            block = block.replacing(encoded)
        }
        done.error = try streams.follow(through: sublayer, of: layer, quantized: block)
        return done
    }

    /// Passes the streams through a sublayer that an earlier process rounded.
    func pass(_ sublayer: Sublayer, of layer: Int) throws(CheckpointError) {
        var encoded: [TensorRole: Matrix] = [:]
        for role in sublayer.groups.flatMap(\.kinds).map({ TensorRole($0, layer: layer) }) {
            guard let tensor = matrices[role] else { continue }
            guard let digest = journal.digest(of: tensor.name),
                let kept = try rows.read(tensor, digest: digest)
            else {
                encoded[role] = try matrices.nearest(tensor, compute: compute)
                continue
            }
            encoded[role] = tensor.encoded(kept.bytes, of: kept.file)
        }
        try streams.pass(sublayer, of: layer, quantized: reference.replacing(encoded))
        try tick(0)
    }

    /// What is known of the inputs of some matrices.
    private struct Inputs {
        /// The mean squares of their features.
        var importance: [Float]?
        var hessians: InputHessians?
        /// Columns whose scales are chosen together, in the matrices.
        var blockSizes: Set<Int> = []
        /// The factor of the Hessian that was asked for last, which several matrices may share.
        var factor: (hessian: Memory, result: Result<GPTQRounding, HessianFailure>)?
    }

    private func look(
        at group: Sublayer.InputGroup, of layer: Int, _ roles: [TensorRole], quantized: LanguageModel,
        share: Double
    ) throws(CheckpointError) -> Inputs {
        var weights: [TensorRole: [Float]]?
        if let outputs {
            weights = [:]
            for role in roles { weights?[role] = try outputs.weights(role) }
        }
        var squares: [Double] = []
        let compared = Set(roles.filter { options.comparesInputs && plan.form($0).comparesInputs })
        var hessians =
            roles.isEmpty || options.method == .nearest
            ? nil : InputHessians(roles, compared: compared, weights: weights, compute: compute)
        var tokens = 0
        try streams.look(at: group, of: layer, quantized: quantized) {
            index, x, lost throws(CheckpointError) in
            try matrices.check(x, of: group, layer: layer, in: reference, sequence: index)
            if let lost {
                try matrices.check(lost, of: group, layer: layer, in: quantized, sequence: index)
            }
            try tick(share / Double(streams.count))
            guard index < calibrating else { return }
            tokens += x.layout.tokens
            if options.method == .nearest {
                if squares.isEmpty { squares = Array(repeating: 0, count: x.features) }
                compute.addSquares(of: x, to: &squares)
            }
            hessians?.add(x, lost: lost, index: index)
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
        let lost = rounding.lose(matrix, inputs.hessians?.takeLosses(matrix.role))
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

    /// The factor of the Hessian of a matrix' inputs.
    private func factor(
        of matrix: CalibratedMatrix, _ inputs: inout Inputs
    ) -> Result<GPTQRounding, HessianFailure> {
        guard let hessian = inputs.hessians?.takeHessian(matrix.role) else { return .failure(.zero) }
        if let last = inputs.factor, last.hessian === hessian { return last.result }
        inputs.factor = nil
        let result = Result { () throws(HessianFailure) in
            try GPTQRounding(
                hessian, columns: matrix.columns, blockSizes: inputs.blockSizes, compute: compute)
        }
        inputs.factor = (hessian, result)
        return result
    }
}
