package import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
package import NibbleTensor

/// The memory and the scratch space that a calibration takes, in bytes, known from shapes.
package struct CalibrationMemory: Sendable, Equatable {
    /// Of the passes through the model that is rounded to nearest, and back.
    package private(set) var gradients = 0
    /// Of rounding, without residual streams: the largest of the groups of matrices with one input.
    package private(set) var rounding = 0
    /// The residual streams of all sequences, where they are held.
    package private(set) var streams = 0
    /// The residual streams of all sequences, where scratch files hold them.
    package private(set) var streamFiles = 0
    /// All other scratch files.
    package private(set) var files = 0

    /// Most that is held at a time.
    package var peak: Int { max(gradients, rounding + streams) }
    /// All scratch files together.
    package var scratch: Int { files + streamFiles }

    /// Memory of a calibration.
    ///
    /// - Parameters:
    ///   - matrices: that are rounded.
    ///   - sequences: all of them, those that only go along among them.
    ///   - length: tokens of a sequence.
    ///   - holdsVocabulary: whether a rounded copy of the vocabulary's matrices is made for it.
    ///   - limit: what the residual streams may fill, with all else.
    package init(
        _ options: CalibrationOptions, _ matrices: QuantizedMatrices, in shape: ModelConfiguration,
        sequences: Int, length: Int, holdsVocabulary: Bool, compute: Compute, limit: Int
    ) {
        let plan = CalibrationShapes(options, matrices, shape, length: length, compute: compute)
        gradients = plan.differentiates ? plan.gradients(holdsVocabulary: holdsVocabulary) : 0
        rounding = max(plan.rounding, holdsVocabulary ? plan.vocabulary : 0)
        let all = sequences * plan.streams
        if max(gradients, rounding + all) <= limit { streams = all } else { streamFiles = all }
        files = plan.files(sequences: sequences)
    }
}

/// What ``CalibrationMemory`` is made of.
private struct CalibrationShapes {
    let options: CalibrationOptions
    let matrices: QuantizedMatrices
    let shape: ModelConfiguration
    let length: Int
    let compute: Compute
    let tokens: Int

    init(
        _ options: CalibrationOptions, _ matrices: QuantizedMatrices, _ shape: ModelConfiguration,
        length: Int, compute: Compute
    ) {
        self.options = options
        self.matrices = matrices
        self.shape = shape
        self.length = length
        self.compute = compute
        tokens = Calibrator.sequencesAtATime(length: length) * length
    }

    var differentiates: Bool { options.method != .nearest && options.tokenWeights == .gradient }
    private var compares: Bool { options.method != .nearest && options.gptaq > 0 }

    /// The vocabulary's matrices as they are held for products.
    var vocabulary: Int {
        matrices.tensors.reduce(0) {
            $0 + ($1.role.isVocabulary ? $1.rows * $1.columns * (compute.hasBF16 ? 2 : 4) : 0)
        }
    }

    /// The matrices of the largest block, encoded.
    private var block: Int {
        Dictionary(grouping: matrices.tensors.filter { $0.role.layer != nil }, by: \.role.layer)
            .values.map { $0.reduce(0) { $0 + EncodedRowsFile.byteCount($1) } }.max() ?? 0
    }

    /// Passes through the model that is rounded to nearest, and back.
    func gradients(holdsVocabulary: Bool) -> Int {
        let stream = 4 * tokens * shape.embeddingLength
        let head =
            (holdsVocabulary ? vocabulary : 0) + 4 * stream
            + compute.distillationScratch(
                tokens: tokens, vocabularySize: shape.vocabularySize, features: shape.embeddingLength,
                isCached: true)
        let outputs =
            Dictionary(grouping: matrices.calibrated, by: \.role.layer).values.map {
                $0.reduce(0) { $0 + ($1.rows <= OutputGradients.mostRows ? 4 * $1.rows * $1.rows : 0) }
            }.max() ?? 0
        let kept = 4 * tokens * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
        // A matrix by columns, the scores of attention, gradients of the widest inputs.
        let width = Sublayer.inputGroups.map { $0.width(in: shape) }.max() ?? 0
        let widest = matrices.calibrated.map { $0.rows * $0.columns }.max() ?? 0
        let way =
            2 * widest + 4 * shape.headCount * length * length * compute.workers.count / 4 + 16 * tokens
            * width
        return max(head, block + outputs + kept + way + 3 * stream)
    }

    /// Rounding, without streams.
    var rounding: Int {
        let threads = compute.workers.count
        var largest = 0
        for group in Sublayer.inputGroups {
            let own = matrices.calibrated.filter { group.kinds.contains($0.role.kind) }
            let width = group.width(in: shape)
            let square = 4 * width * width
            let count = Set(own.map(\.role.kind)).count
            let sums = (differentiates ? count : 1) * (compares ? 2 : 1) * square
            // A sequence in a block of each model, and its inputs as they are multiplied with themselves.
            let pass =
                4 * length
                * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape) + 4 * width)
            for matrix in own {
                let size = 4 * matrix.rows * matrix.columns
                let outputs =
                    differentiates && matrix.rows <= OutputGradients.mostRows
                    ? 8 * matrix.rows * matrix.rows + size : 0
                let pieces = 3 * 4 * Compute.rowsAtATime * threads * matrix.columns
                largest = max(largest, sums + square + outputs + size + pieces)
            }
            largest = max(largest, sums + pass)
        }
        return largest + block
    }

    /// Bytes a sequence of the streams that go along while matrices are rounded.
    var streams: Int {
        func bytes(_ features: Int) -> Int {
            StreamStore.byteCount(features: features, length: length, compute)
        }
        let inputs = Sublayer.allCases.reduce(0) { $0 + bytes($1.last.width(in: shape)) }
        return 2 * bytes(shape.embeddingLength) * (compares ? 2 : 1) + (compares ? inputs : 0)
    }

    /// Scratch files but those of these streams.
    func files(sequences: Int) -> Int {
        let rows = matrices.calibrated.reduce(0) { $0 + EncodedRowsFile.byteCount($1) }
        guard differentiates else { return rows }
        let stream = StreamStore.byteCount(features: shape.embeddingLength, length: length, compute)
        let outputs = matrices.calibrated.reduce(0) {
            $0 + OutputGradientsFile.byteCount(rows: $1.rows, tokens: sequences * length)
        }
        return rows + outputs + sequences * stream * (shape.layerCount + 3)
    }
}
