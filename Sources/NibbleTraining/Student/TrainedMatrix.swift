public import NibbleCheckpoint
internal import NibbleNumerics
public import NibbleQuantization
public import NibbleTensor

// @unchecked: passes read it, and the step between them, which owns disjoint rows on its threads, changes it.
/// A matrix that is trained: its weights, their moments, and the encoded blocks that the model computes with; where scales
/// are learned, these with their moments.
public final class TrainedMatrix: @unchecked Sendable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name.
    public let name: String
    /// The tensor that it began as, and the file which holds that.
    let source: (path: String, tensor: String)
    /// Outputs.
    public let rows: Int
    /// Inputs.
    public let columns: Int
    /// What gradients are keyed by.
    public let parameter: Parameter
    /// How it is rounded.
    public let quantizer: FakeQuantizer
    /// The mean magnitude of the weights at the start, as a multiple of that of all trained matrices.
    public internal(set) var relativeMagnitude: Float = 1
    /// Whether the weights themselves change; false where only their scales are trained.
    public let trainsWeights: Bool
    /// The scales of the blocks, where they are learned.
    let scales: LearnedScales?
    /// Weights and moments between steps.
    let state: WeightState
    /// Encoded rows.
    let encoded: Memory
    private let advice: String

    init(
        role: TensorRole, name: String, source: (path: String, tensor: String), rows: Int, columns: Int,
        quantizer: FakeQuantizer, trainsWeights: Bool, state kind: Recipe.Optimizer.State
    ) {
        self.role = role
        self.name = name
        self.source = source
        self.rows = rows
        self.columns = columns
        self.quantizer = quantizer
        self.trainsWeights = trainsWeights
        parameter = Parameter(name: name, count: rows * columns)
        state = WeightState(
            kind, rows: rows, columns: columns, name: name, trainsWeights: trainsWeights,
            holdsCodes: quantizer.scaledBlocks != nil)
        scales = quantizer.scaledBlocks.map {
            LearnedScales($0, rows: rows, perRow: quantizer.scalesPerRow)
        }
        encoded = Memory(byteCount: rows * quantizer.rowBytes)
        advice = "give the tensor another type with quantization.tensor_types, as '\(name)=bf16'"
    }

    /// Weights and moments in F32, where they are kept so.
    var floats: WeightState.Floats? { if case .float(let floats) = state { floats } else { nil } }

    /// The weights as they are rounded.
    var roundedMatrix: Matrix? {
        Matrix(
            rows: rows, columns: columns, format: quantizer.format,
            bytes: UnsafeRawBufferPointer(encoded.bytes), owner: encoded, parameter: parameter)
    }

    /// The weights as they are trained; nil where there are no masters in F32.
    var masterMatrix: Matrix? {
        guard let floats else { return nil }
        return Matrix(
            rows: rows, columns: columns, format: .ggml(.f32),
            bytes: UnsafeRawBufferPointer(floats.weights.bytes), owner: floats.weights, parameter: parameter)
    }

    /// The mean of the weights' magnitudes.
    var meanMagnitude: Double {
        var sum = 0.0
        for row in 0..<rows {
            var part: Float = 0
            withWeights(row..<row + 1) { for value in $0 { part += abs(value) } }
            sum += Double(part)
        }
        return sum / Double(rows * columns)
    }

    /// The encoded rows: what is exported.
    public var blocks: UnsafeRawBufferPointer { UnsafeRawBufferPointer(encoded.bytes) }

    /// The weights as they are trained, `[rows, columns]`.
    package var values: [Float] { withWeights(0..<rows) { Array($0) } }

    /// The learned scales as the blocks hold them, `[rows, columns / 32]`; nil where they are recomputed.
    public var learnedScales: [Float]? { scales.map { $0.stored(0..<rows) } }

    /// Scales that are learned.
    var scaleCount: Int { rows * quantizer.scalesPerRow }

    /// The encoded rows of a range.
    func blocks(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        let width = quantizer.rowBytes
        return UnsafeRawBufferPointer(
            encoded.slice(range.lowerBound * width..<range.upperBound * width))
    }

    /// Encodes some rows.
    ///
    /// - Parameter values: their weights.
    func encode(
        _ range: Range<Int>, _ values: UnsafeMutableBufferPointer<Float>, level: KernelLevel
    ) throws(CheckpointError) {
        let width = quantizer.rowBytes
        var blocks = encoded.slice(range.lowerBound * width..<range.upperBound * width).mutableBytes
        do throws(CodecError) {
            guard let scales else {
                return try quantizer.encode(values.span, into: &blocks, level: level)
            }
            try scales.codec.encode(
                values.span, scales: scales.stored(range).span, into: &blocks, level: level)
        } catch {
            throw fault(error, in: range, values)
        }
    }

    /// Takes rows that calibration encoded: learned scales become theirs, masters what they are decoded to.
    ///
    /// - Parameter keepsMasters: whether masters stay, each the nearest code of which is its own.
    func take(
        _ bytes: UnsafeRawBufferPointer, keepingMasters keepsMasters: Bool = false, _ compute: Compute
    ) {
        precondition(bytes.count == encoded.bytes.count, "\(bytes.count) bytes for \(encoded.bytes.count)")
        encoded.bytes.copyMemory(from: bytes)
        compute.forEachRows(of: rows) { range in
            let blocks = RawSpan(_unsafeBytes: self.blocks(range))
            switch state {
            case .float(let floats):
                guard !keepsMasters else { break }
                var values = floats.weights.floats(range, of: columns).mutableSpan
                quantizer.codec.decode(blocks, columns: columns, into: &values, level: compute.level)
            case .compact(let compact):
                // Where a weight lay in its cell is not asked of the first step.
                compact.weights.center(range)
            }
            if let scales {
                var span = scales.values(range).mutableSpan
                scales.codec.readScales(blocks, into: &span)
            }
        }
    }

    /// The error for rows that cannot be encoded, by the name that they have in the checkpoint.
    func fault(
        _ error: CodecError, in range: Range<Int>, _ values: UnsafeMutableBufferPointer<Float>
    ) -> CheckpointError {
        WeightFault(
            error, values: UnsafeBufferPointer(values), columns: columns, firstRow: range.lowerBound,
            codec: quantizer.codec, advice: advice
        ).error(path: source.path, tensor: source.tensor)
    }
}
