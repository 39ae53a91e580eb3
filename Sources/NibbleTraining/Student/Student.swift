public import NibbleCheckpoint
public import NibbleModel
internal import NibbleNumerics
public import NibbleQuantization
public import NibbleTensor

/// A model that is trained while its weights are rounded as they will be in the file.
///
/// Every trained matrix has F32 masters; ``prepare()`` and each optimizer step encode them by the plan's codec, and the
/// forward pass runs on these blocks, as it would on those of the exported file. Gradients pass the rounding straight
/// through to the masters.
public final class Student: Sendable {
    /// The unquantized checkpoint.
    public let checkpoint: ModelCheckpoint
    /// What is trained.
    public let options: StudentOptions
    /// The model on rounded weights.
    public let quantized: LanguageModel
    /// The model on the masters themselves: what is trained before fake quantization starts.
    public let unquantized: LanguageModel
    /// Trained matrices in the order of the file.
    public let matrices: [TrainedMatrix]
    /// Trained norms and biases in the order of the file.
    public let vectors: [TrainedVector]
    /// What every tensor becomes in the file.
    public let assignments: [QuantizationPlan.Assignment]
    /// What was found of the teacher's grid, and whether the start was dithered.
    public let start: StudentStart
    /// Where it is computed.
    public let compute: Compute
    /// Bytes of the matrices that are quantized and not trained.
    let frozenByteCount: Int

    /// Takes the weights of `checkpoint`, and prepares them.
    ///
    /// - Precondition: scales are learned where, and only where, they are among the parameters; all matrices concerned
    ///   are then of `ScaledBlocks.types`. `Trainer` throws a `TrainingError` where a recipe asks for anything else.
    /// - Throws: `CheckpointError` where a tensor cannot be read or encoded.
    public init(
        _ checkpoint: ModelCheckpoint, options: StudentOptions, compute: Compute
    ) throws(CheckpointError) {
        precondition(
            (options.config.scales == .learned) == options.parameters.contains(.scales),
            "scales are \(options.config.scales), parameters \(options.parameters)")
        self.checkpoint = checkpoint
        self.options = options
        self.compute = compute
        assignments = try options.plan.assignments(for: checkpoint)
        let entries = Dictionary(checkpoint.tensors.map { ($0.role, $0.entry) }) { first, _ in first }
        var builder = StudentBuilder(checkpoint, options: options, compute: compute)
        for assignment in assignments {
            guard let entry = entries[assignment.role] else { continue }
            try builder.add(assignment, entry)
        }
        matrices = builder.matrices
        vectors = builder.vectors
        start = builder.start
        frozenByteCount = builder.frozenByteCount
        quantized = try LanguageModel(
            checkpoint, compute: compute, replacements: builder.replacements(isQuantized: true))
        unquantized = try LanguageModel(
            checkpoint, compute: compute, replacements: builder.replacements(isQuantized: false))
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

    /// Encodes all masters, with the scales that they have where scales are learned.
    public func prepare() throws(CheckpointError) {
        for matrix in matrices {
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.encode(rows, level: compute.level)
            }
        }
    }
}

extension Compute {
    /// Calls `body` for pieces of `height` rows on all threads; throws the error of the first piece that failed.
    func forEachRows(
        in rows: Range<Int>, height: Int, _ body: (Range<Int>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let pieces = (rows.count + height - 1) / height
        let errors = ErrorList(count: pieces)
        workers.forEach(pieces) { piece in
            let first = rows.lowerBound + piece * height
            do throws(CheckpointError) {
                try body(first..<min(first + height, rows.upperBound))
            } catch {
                errors.set(error, piece)
            }
        }
        if let error = errors.first { throw error }
    }

    /// Rows of a piece where nothing else says how many.
    static var rowsAtATime: Int { 32 }

    /// The same for all rows of a matrix, ``rowsAtATime`` at a time.
    func forEachRows(
        of count: Int, _ body: (Range<Int>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        try forEachRows(in: 0..<count, height: Self.rowsAtATime, body)
    }
}
