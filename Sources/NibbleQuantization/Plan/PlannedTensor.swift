public import NibbleCheckpoint
public import NibbleNumerics

/// What one tensor of a model becomes.
public struct PlannedTensor: Sendable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name, for ``QuantizationPlan/overrides``.
    public let name: String
    /// Extents, slowest first; rows that pad the vocabulary left out.
    public let shape: [Int]
    /// The format that it has where it is not quantized.
    public let kept: WeightFormat
    /// The format that it gets; ``kept`` until the plan decides.
    public internal(set) var format: WeightFormat
    /// Why.
    public internal(set) var reason = QuantizationPlan.Reason.kept
    /// Where its values come from.
    public internal(set) var source: TensorSource

    /// How rows are encoded that lie on the lattice of ``format``; nil where they do not, or nobody looked.
    package internal(set) var lattice: LatticeEncoding?

    /// Elements of a row.
    package var columns: Int { shape.last ?? 1 }

    /// ``shape`` with the rows that the source has: padding of the vocabulary among them.
    var sourceShape: [Int] { shape.count == 2 ? source.shape : shape }

    /// What has to be done to the values of the source for a convention.
    func transform(to convention: ValueConvention, of model: ModelCheckpoint) -> ValueTransform {
        var own = model.source.scheme.convention(of: role, in: model.configuration)
        switch source {
        case .stored, .described: break
        // Values in memory are the model's.
        case .computed, .encoded: own.offset = 0
        }
        return ValueTransform(from: own, to: convention, rows: sourceShape.first ?? 1)
    }
}
