public import NibbleCheckpoint
public import NibbleTensor

/// Weights that a model takes instead of a checkpoint's: what training changes, or what is held in another form.
public struct WeightReplacements: Sendable {
    /// By role, rows and columns as in the checkpoint (rows beyond the vocabulary left out).
    public var matrices: [TensorRole: Matrix] = [:]
    /// Norms and biases, with one added where the hub leaves that to the model.
    public var vectors: [TensorRole: Vector] = [:]

    /// No replacements.
    public init() {}
}
