internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// What the weights of a student take, in bytes, known from shapes.
struct StudentBytes: Equatable {
    /// Masters, moments, learned scales and encoded blocks of what is trained.
    private(set) var trained = 0
    /// Weights that are quantized once and not trained.
    private(set) var frozen = 0
    /// Gradients of what is trained: those of weights are taken where only their scales are trained, too.
    private(set) var gradients = 0
    /// The teacher's weights.
    private(set) var teacher = 0
    private let state: Recipe.Optimizer.State
    private var sizes: Set<Int> = []

    /// - Parameter compute: in whose numbers the vocabulary is held where it is not trained.
    init(_ plan: ResolvedPlan, _ scope: TrainingScope, _ state: Recipe.Optimizer.State, _ compute: Compute) {
        self.state = state
        for tensor in plan.tensors {
            if case .computed = tensor.source { continue }
            teacher += tensor.source.byteCount
            add(tensor, scope, compute)
        }
    }

    private mutating func add(_ tensor: PlannedTensor, _ scope: TrainingScope, _ compute: Compute) {
        let count = tensor.shape.reduce(1, *)
        let isTrained = scope.trains(tensor.role)
        guard tensor.shape.count == 2, tensor.role.part == .weight else {
            guard isTrained else { return }
            trained += 12 * count
            gradients += 4 * count
            return
        }
        let rows = tensor.shape[0]
        guard isTrained else {
            // What stays as it is needs no copy.
            if tensor.format != tensor.source.format {
                frozen += rows * (tensor.roundedFormat(compute).byteCount(columns: tensor.columns) ?? 0)
            }
            return
        }
        let quantizer = FakeQuantizer(tensor.format, columns: tensor.columns, config: scope.config)
        trained +=
            WeightState.byteCount(
                state, rows: rows, columns: tensor.columns,
                trainsWeights: scope.trainsWeights(of: tensor.role), holdsCodes: quantizer.scaledBlocks != nil
            ) + 12 * rows * quantizer.scalesPerRow + rows * quantizer.rowBytes
        // On the way back one is held at a time, but memory serves gradients of its own size alone.
        guard state == .f32 || tensor.role.isVocabulary || sizes.insert(count).inserted else { return }
        gradients += 4 * count
    }
}
