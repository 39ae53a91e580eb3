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
    let streams: PairedStreams
    /// How many of the sequences, from the first on, are calibrated on; the others only go along.
    let calibrating: Int
    /// What gradients say of a matrix; nil where tokens weigh the same.
    let outputs: ((TensorRole) throws(CheckpointError) -> OutputGradients?)?
    /// Takes the encoded rows; returns their digest.
    let keep: (CalibratedMatrix) throws(CheckpointError) -> String
    /// Reads encoded rows that were kept.
    let kept: (PlannedTensor) throws(CheckpointError) -> Memory?
    /// Called after each piece of work; throws where it is to end.
    let tick: () throws(CheckpointError) -> Void
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
        for group in sublayer.groups {
            let roles = group.kinds.map { TensorRole($0, layer: layer) }
            let own = matrices.calibrated.filter { roles.contains($0.role) }
            var gradients: [TensorRole: OutputGradients] = [:]
            if let outputs { for role in own.map(\.role) { gradients[role] = try outputs(role) } }
            let inputs = try look(at: group, of: layer, own.map(\.role), gradients, quantized: block)
            var encoded: [TensorRole: Matrix] = [:]
            // Matrices with one input share its factor.
            var factors = InputFactors()
            for tensor in own {
                guard let codec = tensor.format.ggmlType.flatMap(ScaledBlocks.init) else {
                    preconditionFailure("\(tensor.format) has no scaled blocks")
                }
                let matrix = try CalibratedMatrix(tensor, of: matrices, codec: codec, compute: compute)
                let result = try round(matrix, inputs, gradients[tensor.role], &factors)
                done.matrices.append((result, try keep(matrix)))
                encoded[tensor.role] = matrix.matrix
                try tick()
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
            guard let rows = try kept(tensor) else {
                encoded[role] = try matrices.nearest(tensor, compute: compute)
                continue
            }
            encoded[role] = Matrix(
                rows: tensor.rows, columns: tensor.columns, format: tensor.format,
                bytes: UnsafeRawBufferPointer(rows.bytes), owner: rows)
        }
        try streams.pass(sublayer, of: layer, quantized: reference.replacing(encoded))
        try tick()
    }

    /// What is known of the inputs of some matrices.
    private enum Inputs {
        case importance([Float])
        case hessians(InputHessians)
        case unknown
    }

    private func look(
        at group: Sublayer.InputGroup, of layer: Int, _ roles: [TensorRole],
        _ gradients: [TensorRole: OutputGradients], quantized: LanguageModel
    ) throws(CheckpointError) -> Inputs {
        var squares: [Double] = []
        let weights = outputs == nil ? nil : gradients.compactMapValues(\.weights)
        var hessians =
            roles.isEmpty || options.method == .nearest
            ? nil : InputHessians(roles, weights: weights, compute: compute)
        var tokens = 0
        try streams.look(at: group, of: layer, quantized: quantized) {
            index, x, lost throws(CheckpointError) in
            try tick()
            guard index < calibrating else { return }
            tokens += x.layout.tokens
            if options.method == .nearest {
                if squares.isEmpty { squares = Array(repeating: 0, count: x.features) }
                compute.addSquares(of: x, to: &squares)
            }
            hessians?.add(x, lost: options.gptaq > 0 ? lost : nil, index: index)
        }
        if let hessians {
            hessians.complete(columns: group.width(in: reference.configuration))
            return .hessians(hessians)
        }
        guard options.scales == .importance else { return .unknown }
        return .importance(squares.map { Float($0 / Double(max(tokens, 1))) })
    }

    private func round(
        _ matrix: CalibratedMatrix, _ inputs: Inputs, _ gradients: OutputGradients?,
        _ factors: inout InputFactors
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        let rounding = MatrixRounding(options: options, compute: compute)
        switch inputs {
        case .importance(let weights): return try rounding.searchScales(matrix, importance: weights)
        case .unknown:
            try rounding.roundToNearest(matrix)
            return .init(name: matrix.name, methods: [.nearest])
        case .hessians(let hessians):
            switch factors.factor(hessians.hessians[matrix.role], columns: matrix.columns) {
            case .success(let factor):
                return try rounding.round(matrix, by: factor, lost: hessians.losses[matrix.role], gradients)
            case .failure(let failure):
                try rounding.roundToNearest(matrix)
                return .init(
                    name: matrix.name, methods: [.nearest],
                    missing: [.init(method: .gptq, reason: "\(failure)")])
            }
        }
    }
}

/// The factor of the input Hessian that was asked for last, which several matrices may share.
private struct InputFactors {
    private var last: (hessian: Memory, factor: Result<GPTQRounding, HessianFailure>)?

    mutating func factor(_ hessian: Memory?, columns: Int) -> Result<GPTQRounding, HessianFailure> {
        guard let hessian else { return .failure(.zero) }
        if let last, last.hessian === hessian { return last.factor }
        last = nil
        let factor = Result { () throws(HessianFailure) in try GPTQRounding(hessian, columns: columns) }
        last = (hessian, factor)
        return factor
    }
}
