public import NibbleCheckpoint
public import NibbleModel
internal import NibbleNumerics
public import NibbleQuantization
public import NibbleTensor

/// A model that is trained while its weights are rounded as they will be in the file.
///
/// Each optimizer step encodes the weights of every trained matrix by the plan's codec, and the forward pass runs on these
/// blocks, as it would on those of the exported file. Gradients pass the rounding straight through to the weights.
public final class Student: Sendable {
    /// The unquantized checkpoint.
    public let checkpoint: ModelCheckpoint
    /// What of it is trained, and how it is rounded.
    let scope: TrainingScope
    /// The model on rounded weights.
    public let quantized: LanguageModel
    /// The model on the weights themselves: what is trained before fake quantization starts. Nil where they are not kept in
    /// F32 (`optimizer.state`).
    public let unquantized: LanguageModel?
    /// Trained matrices in the order of the file.
    public let matrices: [TrainedMatrix]
    /// The weights that trained matrices begin with, drawn within the teacher's cells where they lie on a grid.
    let beginnings: [TensorRole: BeginningWeights]
    /// Trained norms and biases in the order of the file.
    public let vectors: [TrainedVector]
    /// What every tensor becomes in the file.
    public let plan: ResolvedPlan
    /// What was found of the teacher's grid, and whether the start was dithered.
    public let teacherGrid: TeacherGrid
    /// Where it is computed.
    public let compute: Compute

    /// Takes the weights of `checkpoint`, and prepares them.
    ///
    /// - Parameter recipe: what counts are `quantization`, `train`, `calibration` and `optimizer.state`.
    /// - Precondition: where scales are learned, all matrices concerned are of `ScaledBlocks.types`. `Trainer` throws a
    ///   `TrainingError` where a recipe asks for anything else.
    /// - Throws: `CheckpointError` where a tensor cannot be read or encoded; `TrainingError` where a field of
    ///   `quantization` is out of range.
    public init(_ checkpoint: ModelCheckpoint, recipe: Recipe, compute: Compute) throws {
        self.checkpoint = checkpoint
        self.compute = compute
        plan = try recipe.quantization.plan().resolve(checkpoint)
        scope = TrainingScope(recipe, plan)
        var builder = StudentBuilder(
            checkpoint, scope, recipe.train, state: recipe.optimizer.state, compute: compute)
        for tensor in plan.tensors {
            if case .stored(let entry) = tensor.source { try builder.add(tensor, entry) }
        }
        matrices = builder.matrices
        vectors = builder.vectors
        teacherGrid = builder.grid
        beginnings = builder.beginnings
        quantized = try LanguageModel(
            checkpoint, compute: compute, replacements: builder.replacements { $0.roundedMatrix })
        unquantized =
            recipe.optimizer.state == .f32
            ? try LanguageModel(
                checkpoint, compute: compute, replacements: builder.replacements { $0.masterMatrix }) : nil
        measureMagnitudes()
        try prepare()
    }

    private func measureMagnitudes() {
        let magnitudes = matrices.map(\.meanMagnitude)
        let total = matrices.reduce(0) { $0 + $1.parameter.count }
        let sum = zip(matrices, magnitudes).reduce(0.0) { $0 + Double($1.0.parameter.count) * $1.1 }
        guard sum > 0 else { return }
        let mean = sum / Double(total)
        for (matrix, magnitude) in zip(matrices, magnitudes) {
            matrix.relativeMagnitude = Float(magnitude / mean)
        }
    }

    /// All parameters in the order of the file.
    public var parameters: [Parameter] { matrices.map(\.parameter) + vectors.map(\.parameter) }

    /// Weights and scales that are trained.
    public var trainedCount: Int {
        matrices.reduce(0) { $0 + ($1.trainsWeights ? $1.parameter.count : 0) + $1.scaleCount }
            + vectors.reduce(0) { $0 + $1.count }
    }

    /// Encodes all weights, with the scales that they have where scales are learned. Where blocks are part of what is kept
    /// between steps, they stay.
    public func prepare() throws(CheckpointError) {
        for matrix in matrices {
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.encodeWeights(rows, compute: compute)
            }
        }
    }
}
