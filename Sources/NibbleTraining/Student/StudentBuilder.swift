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
    /// What each of these begins with.
    private(set) var beginnings: [TensorRole: BeginningWeights] = [:]
    private(set) var grid = TeacherGrid()
    private var frozen = WeightReplacements()
    private let checkpoint: ModelCheckpoint
    private let scope: TrainingScope
    private let train: Recipe.Training
    private let state: Recipe.Optimizer.State
    private let compute: Compute
    /// The teacher's weights as they are.
    private let stored: StoredWeights

    init(
        _ checkpoint: ModelCheckpoint, _ scope: TrainingScope, _ train: Recipe.Training,
        state: Recipe.Optimizer.State, compute: Compute
    ) {
        self.checkpoint = checkpoint
        self.scope = scope
        self.train = train
        self.state = state
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
            trainsWeights: scope.trainsWeights(of: role), state: state)
        let beginning = try beginning(matrix.quantizer, rows: rows, tensor, entry)
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try matrix.begin(rows, compute: compute) { values throws(CheckpointError) in
                try beginning.load(rows, into: values)
            }
        }
        matrices.append(matrix)
        beginnings[role] = beginning
    }

    /// What the model takes instead of the checkpoint's weights.
    ///
    /// - Parameter form: of a trained matrix.
    func replacements(_ form: (TrainedMatrix) -> Matrix?) -> WeightReplacements {
        var result = frozen
        for matrix in matrices { result.matrices[matrix.role] = form(matrix) }
        for vector in vectors { result.vectors[vector.role] = vector.vector }
        return result
    }

    // MARK: - Tensors

    /// What a matrix begins with; looks whether the teacher's weights lie on a grid.
    private mutating func beginning(
        _ quantizer: FakeQuantizer, rows: Int, _ tensor: PlannedTensor, _ entry: TensorEntry
    ) throws(CheckpointError) -> BeginningWeights {
        var beginning = BeginningWeights(tensor: tensor, entry: entry, level: compute.level)
        var found = TeacherGrid()
        try TieDetection.sample(beginning, quantizer, rows: rows, into: &found)
        grid.sampled += found.sampled
        grid.ties += found.ties
        let dithers =
            switch train.dither {
            case .always: true
            case .never: false
            case .automatic: found.hasTies
            }
        guard dithers else { return beginning }
        grid.isDithered = true
        beginning.dither = Dither(seed: train.ditherSeed)
        return beginning
    }
}
