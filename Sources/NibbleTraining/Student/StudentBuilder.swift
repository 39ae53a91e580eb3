internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Collects the weights of a student, tensor by tensor.
struct StudentBuilder {
    private(set) var matrices: [TrainedMatrix] = []
    private(set) var vectors: [TrainedVector] = []
    private(set) var grid = TeacherGrid()
    private var frozen = WeightReplacements()
    private let checkpoint: ModelCheckpoint
    private let scope: TrainingScope
    private let train: Recipe.Training
    private let compute: Compute
    /// The teacher's weights as they are.
    private let stored: StoredWeights

    init(_ checkpoint: ModelCheckpoint, _ scope: TrainingScope, _ train: Recipe.Training, compute: Compute) {
        self.checkpoint = checkpoint
        self.scope = scope
        self.train = train
        self.compute = compute
        stored = StoredWeights(level: compute.level)
    }

    mutating func add(_ tensor: PlannedTensor, _ entry: TensorEntry) throws(CheckpointError) {
        let role = tensor.role
        guard entry.shape.count == 2, role.part == .weight else {
            if scope.trains(role) {
                let convention = NamingScheme.hub.convention(of: role, in: checkpoint.configuration)
                vectors.append(
                    TrainedVector(
                        role: role, name: tensor.name, values: try checkpoint.vector(role, entry),
                        hubOffset: convention.offset))
            }
            return
        }
        let rows = checkpoint.rowCount(of: role, entry)
        let isTrained = scope.trains(role)
        guard tensor.format.codec != nil else { throw entry.undecodable }
        // Tensors that stay as they are need no copy.
        guard isTrained || tensor.format != .ggml(entry.type) else { return }
        guard isTrained else {
            frozen.matrices[role] = try tensor.roundedToNearest(
                stored,
                advice: "give the tensor another type, with quantization.embedding_type or "
                    + "quantization.tensor_types",
                compute: compute)
            return
        }
        let matrix = TrainedMatrix(
            role: role, name: tensor.name, source: (entry.file.path, entry.name), rows: rows,
            columns: entry.columns,
            quantizer: FakeQuantizer(tensor.format, columns: entry.columns, config: scope.config),
            trainsWeights: scope.trainsWeights(of: role))
        try load(matrix, tensor, entry)
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            matrix.scales?.choose(rows, for: matrix.weights(rows).span)
        }
        matrices.append(matrix)
    }

    /// What the model takes instead of the checkpoint's weights.
    func replacements(isQuantized: Bool) -> WeightReplacements {
        var result = frozen
        for matrix in matrices {
            result.matrices[matrix.role] = matrix.matrix(isQuantized: isQuantized)
        }
        for vector in vectors { result.vectors[vector.role] = vector.vector }
        return result
    }

    // MARK: - Tensors

    /// The masters' start: the teacher's weights, drawn within their cells where they lie on a grid.
    private mutating func load(
        _ matrix: TrainedMatrix, _ tensor: PlannedTensor, _ entry: TensorEntry
    ) throws(CheckpointError) {
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try stored.load(rows, of: tensor, into: matrix.weights(rows))
        }
        var found = TeacherGrid()
        try TieDetection.sample(matrix, into: &found)
        grid.sampled += found.sampled
        grid.ties += found.ties
        let dithers =
            switch train.dither {
            case .always: true
            case .never: false
            case .automatic: found.hasTies
            }
        guard dithers else { return }
        grid.isDithered = true
        let dither = Dither(seed: train.ditherSeed)
        let drawn = StoredWeights(level: compute.level, dither: dither)
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            guard !entry.type.hasCells else {
                return try drawn.load(rows, of: tensor, into: matrix.weights(rows))
            }
            var span = matrix.weights(rows).mutableSpan
            dither.spread(
                &span, firstElement: UInt64(rows.lowerBound * matrix.columns),
                stream: Dither.stream(of: entry.name))
        }
    }
}
