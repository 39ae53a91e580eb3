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
    /// Bytes of the matrices that are quantized and not trained.
    private(set) var frozenByteCount = 0
    private var frozen = WeightReplacements()
    private let checkpoint: ModelCheckpoint
    private let scope: TrainingScope
    private let train: Recipe.Training
    private let compute: Compute

    init(_ checkpoint: ModelCheckpoint, _ scope: TrainingScope, _ train: Recipe.Training, compute: Compute) {
        self.checkpoint = checkpoint
        self.scope = scope
        self.train = train
        self.compute = compute
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
            let matrix = try frozenMatrix(tensor, entry, rows: rows)
            frozen.matrices[role] = matrix
            frozenByteCount += rows * (matrix.codec.byteCount(columns: entry.columns) ?? 0)
            return
        }
        let matrix = TrainedMatrix(
            role: role, name: tensor.name, source: (entry.file.path, entry.name), rows: rows,
            columns: entry.columns,
            quantizer: FakeQuantizer(tensor.format, columns: entry.columns, config: scope.config),
            trainsWeights: scope.parameters.contains(role.isVocabulary ? .embedding : .linear))
        try load(matrix, entry)
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
    private mutating func load(_ matrix: TrainedMatrix, _ entry: TensorEntry) throws(CheckpointError) {
        guard let codec = entry.type.codec, let rowBytes = entry.type.byteCount(elements: entry.columns)
        else {
            throw entry.undecodable
        }
        let level = compute.level
        func bytes(_ rows: Range<Int>) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(
                rebasing: entry.bytes[rows.lowerBound * rowBytes..<rows.upperBound * rowBytes])
        }
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            let values = matrix.weights(rows)
            var span = values.mutableSpan
            codec.decode(
                RawSpan(_unsafeBytes: bytes(rows)), columns: matrix.columns, into: &span, level: level)
            guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
            throw matrix.fault(.nonFiniteValue(index: place, value: values[place]), in: rows)
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
        let stream = Dither.stream(of: entry.name)
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            var span = matrix.weights(rows).mutableSpan
            let first = UInt64(rows.lowerBound * matrix.columns)
            if entry.type.isQuantized {
                dither.decode(
                    RawSpan(_unsafeBytes: bytes(rows)), type: entry.type, columns: matrix.columns,
                    firstElement: first, stream: stream, into: &span)
            } else {
                dither.spread(&span, firstElement: first, stream: stream)
            }
        }
    }

    /// A matrix that is quantized once. The vocabulary's is used by products of both directions for every token, so it
    /// is held decoded.
    private func frozenMatrix(
        _ tensor: PlannedTensor, _ entry: TensorEntry, rows: Int
    ) throws(CheckpointError) -> Matrix {
        guard let source = entry.type.codec, let sourceBytes = entry.type.byteCount(elements: entry.columns)
        else {
            throw entry.undecodable
        }
        let columns = entry.columns
        let quantizer = FakeQuantizer(tensor.format, columns: columns)
        let isVocabulary = tensor.role.isVocabulary
        let format = !isVocabulary ? tensor.format : .ggml(compute.hasBF16 ? .bf16 : .f32)
        guard let target = format.codec, let targetBytes = format.byteCount(columns: columns) else {
            throw entry.undecodable
        }
        let memory = Memory(byteCount: rows * targetBytes)
        let level = compute.level
        try compute.forEachRows(of: rows) { range throws(CheckpointError) in
            var values = [Float](repeating: 0, count: range.count * columns)
            var span = values.mutableSpan
            let bytes = UnsafeRawBufferPointer(
                rebasing: entry.bytes[range.lowerBound * sourceBytes..<range.upperBound * sourceBytes])
            source.decode(RawSpan(_unsafeBytes: bytes), columns: columns, into: &span, level: level)
            var result = memory.slice(range.lowerBound * targetBytes..<range.upperBound * targetBytes)
                .mutableBytes
            do throws(CodecError) {
                guard isVocabulary else {
                    return try quantizer.encode(values.span, into: &result, level: level)
                }
                var blocks = [UInt8](repeating: 0, count: range.count * quantizer.rowBytes)
                var span = blocks.mutableSpan
                var raw = span.mutableBytes
                try quantizer.encode(values.span, into: &raw, level: level)
                var decoded = values.mutableSpan
                quantizer.codec.decode(blocks.span.bytes, columns: columns, into: &decoded, level: level)
                try target.encode(
                    values.span, columns: columns, importance: nil, into: &result, level: level)
            } catch {
                throw values.withUnsafeBufferPointer { values in
                    WeightFault(
                        error, values: values, columns: columns, firstRow: range.lowerBound,
                        codec: quantizer.codec,
                        advice: "give the tensor another type, with quantization.embedding_type or "
                            + "quantization.tensor_types"
                    ).error(path: entry.file.path, tensor: entry.name)
                }
            }
        }
        let matrix = Matrix(
            rows: rows, columns: columns, format: format, bytes: UnsafeRawBufferPointer(memory.bytes),
            owner: memory)
        guard let matrix else { throw entry.undecodable }
        return matrix
    }
}
