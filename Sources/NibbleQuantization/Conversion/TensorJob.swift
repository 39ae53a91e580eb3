public import NibbleCheckpoint
public import NibbleNumerics

/// One tensor of the output and how it comes about.
public struct TensorJob: Sendable {
    /// The name in the output.
    public var name: String
    /// What it is for.
    public var role: TensorRole
    /// Extents in the output, slowest first. Fewer rows than the source where padding is dropped.
    public var shape: [Int]
    /// The type in the output.
    public var type: GGMLType
    /// Why it has that type.
    public var reason: QuantizationPlan.Reason
    /// Where values come from.
    public var source: TensorSource
    /// What is done to the values, in the direction of this conversion.
    public var transform: ValueTransform
    /// Weights of the columns' errors.
    public var importance: [Float]? = nil
    /// Whether values are drawn within the quantization cells of the source.
    public var dithers = false
    /// What of a matrix the tensor holds, where it is stored in a format that GGUF lacks.
    public var packing: Packing? = nil

    /// A part of a matrix; ``shape`` and ``type`` are then those of the part.
    public struct Packing: Sendable, Equatable {
        /// The matrix.
        public var matrix: PackedMatrix
        /// The part.
        public var part: PackedMatrix.Part
    }

    /// Elements of a row.
    var columns: Int { shape.last ?? 1 }
    /// Rows over all slower extents.
    var rows: Int { shape.dropLast().reduce(1, *) }
    /// How values are stored in the source.
    public var sourceFormat: WeightFormat { source.format }
    /// How values are stored in the output, by this tensor and its siblings.
    public var format: WeightFormat { packing?.matrix.format ?? .ggml(type) }
    /// Weights that the tensor stands for; of a matrix in parts the first stands for all.
    public var parameterCount: Int {
        guard let packing else { return elementCount }
        return isFirstPart ? packing.matrix.rows * packing.matrix.columns : 0
    }
    /// Whether this is all of a matrix, or the first of its parts.
    private var isFirstPart: Bool { packing.map { $0.matrix.parts.first == $0.part } ?? true }
    /// Number of elements in the output.
    public var elementCount: Int { shape.reduce(1, *) }
    /// Bytes in the output.
    public var byteCount: Int { type.byteCount(elements: elementCount) ?? 0 }
    /// Bytes in the source.
    public var sourceByteCount: Int { isFirstPart ? source.byteCount : 0 }
}
