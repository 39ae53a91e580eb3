import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

/// What tests of calibration begin with: a student whose scales are learned, and sequences of tokens.
enum CalibrationSample {
    static func student(
        _ type: QuantizationType = .q4_0, parameters: Set<Recipe.Training.Parameters> = [.linear],
        threads: Int = 2
    ) throws -> Student {
        var recipe = Recipe()
        recipe.quantization.type = type
        recipe.quantization.scales = .learned
        recipe.train.parameters = parameters
        recipe.train.dither = .never
        return try Student(
            ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")), recipe: recipe,
            compute: Compute(threads: threads, precision: .f32))
    }

    /// Rounds all matrices of a student.
    @discardableResult
    static func round(
        _ student: Student, _ sequences: [[Int32]], gptaq: Float = 0,
        scales: CalibrationOptions.Scales = .importance,
        tokenWeights: CalibrationOptions.TokenWeights = .equal
    ) throws -> CalibrationResult {
        var options = CalibrationOptions()
        (options.gptaq, options.scales, options.tokenWeights) = (gptaq, scales, tokenWeights)
        return try calibrate(student, sequences, options)
    }

    /// The same with all that can be said of it.
    @discardableResult
    static func calibrate(
        _ student: Student, _ sequences: [[Int32]], _ options: CalibrationOptions,
        in folder: TemporaryFolder? = nil,
        plan: CalibrationPlan = CalibrationPlan(observesAgain: false, holdsStreams: true),
        progress: (PreparationProgress) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> CalibrationResult {
        let folder = try folder ?? TemporaryFolder()
        let scratch = try CalibrationScratch(path: folder.file("scratch"), identity: [])
        let found = try Calibrator(
            reference: teacher(student), matrices: [student.quantizedMatrices], options: options,
            plan: plan
        ).run(
            sequences, scratch: scratch, progress: progress,
            isCancelled: isCancelled)[0]
        for matrix in student.matrices {
            let tensor = try #require(student.plan[matrix.role])
            if let rows = try found.rows(of: tensor) {
                withExtendedLifetime(rows.file) { matrix.take(rows.bytes, student.compute) }
            }
        }
        return found.result
    }

    /// Has the weights and scales of a trained matrix changed as those of one that is calibrated.
    static func change(_ matrix: TrainedMatrix, _ body: (CalibratedMatrix) throws -> Void) throws {
        let scales = try #require(matrix.scales)
        let own = CalibratedMatrix(
            role: matrix.role, name: matrix.name, source: matrix.source, rows: matrix.rows,
            grid: try #require(WeightGrid(.ggml(scales.codec.type), columns: matrix.columns)), advice: "")
        let masters = try #require(matrix.floats).weights
        own.weights.bytes.copyMemory(from: UnsafeRawBufferPointer(masters.bytes))
        own.records.bytes.copyMemory(from: UnsafeRawBufferPointer(scales.masters.bytes))
        try body(own)
        masters.bytes.copyMemory(from: UnsafeRawBufferPointer(own.weights.bytes))
        scales.masters.bytes.copyMemory(from: UnsafeRawBufferPointer(own.records.bytes))
    }

    /// What the gradients of some text say of a student's matrices.
    static func gradients(
        _ student: Student, _ sequences: [[Int32]], atATime: Int = 2
    ) throws -> [TensorRole: OutputGradients] {
        let folder = try TemporaryFolder()
        let shape = student.checkpoint.configuration
        func streams(_ name: String) throws -> StreamStore {
            try StreamStore(
                path: folder.file(name), features: shape.embeddingLength, length: sequences[0].count,
                sequences: sequences.count, compute: student.compute)
        }
        let pass = GradientPass(
            reference: try teacher(student), matrices: student.quantizedMatrices,
            batches: SequenceBatches(sequences: sequences, atATime: atATime, tick: { _ in }),
            streams: try streams("streams"),
            gradients: try streams("gradients"), keepsGradients: false)
        try pass.embed()
        for layer in 0..<shape.layerCount { try pass.advance(through: layer) }
        try pass.differentiate()
        return try (0..<shape.layerCount).reversed().reduce(into: [:]) {
            $0.merge(try pass.retreat(through: $1, bands: bands(student, $1)), uniquingKeysWith: { $1 })
        }
    }

    /// All rows of each matrix of a block.
    private static func bands(_ student: Student, _ layer: Int) -> [TensorRole: [Range<Int>]] {
        let own = student.matrices.filter { $0.role.layer == layer }
        return Dictionary(uniqueKeysWithValues: own.map { ($0.role, [0..<$0.rows]) })
    }

    /// Sequences before the first block of a student's teacher and the student itself.
    static func streams(
        _ student: Student, _ sequences: [[Int32]], in folder: TemporaryFolder, compares: Bool = true
    ) throws -> PairedStreams {
        let shape = student.checkpoint.configuration
        func file(_ name: String, _ features: Int) throws -> StreamStore {
            try StreamStore(
                path: folder.file(name), features: features, length: sequences[0].count,
                sequences: sequences.count, compute: student.compute)
        }
        let streams = PairedStreams(
            reference: try teacher(student), count: sequences.count,
            exact: try file("exact", shape.embeddingLength),
            rounded: compares
                ? [
                    .init(
                        streams: try file("rounded", shape.embeddingLength),
                        inputs: Dictionary(
                            uniqueKeysWithValues: try Sublayer.allCases.map {
                                ($0, try file("\($0)", $0.last.width(in: shape)))
                            }))
                ] : [])
        try streams.embed(sequences, quantized: { _ in student.quantized })
        return streams
    }

    static func teacher(_ student: Student) throws -> LanguageModel {
        try LanguageModel(student.checkpoint, compute: student.compute)
    }

    /// Tokens from 5 on, `kinds` of them.
    static func sequences(_ count: Int, length: Int, kinds: Int = 400) -> [[Int32]] {
        (0..<count).map { row -> [Int32] in
            (0..<length).map { index -> Int32 in
                let mixed: Int = index * 37 + row * 101 + index * index * 11
                return Int32(mixed % kinds + 5)
            }
        }
    }
}

extension TrainedMatrix {
    /// What its blocks are decoded to, `[rows, columns]`.
    var decoded: [Float] {
        var values = [Float](repeating: 0, count: rows * columns)
        var span = values.mutableSpan
        quantizer.codec.decode(
            RawSpan(_unsafeBytes: blocks), columns: columns, into: &span, level: .best)
        return values
    }
}

extension PairedStreams {
    /// Passes all sequences through one sublayer of both models.
    func advance(through sublayer: Sublayer, of layer: Int, quantized: LanguageModel) throws {
        try look(
            at: sublayer.last, of: layer, quantized: [quantized], see: { _, _ in },
            compare: { _, _, _, _ in })
        _ = try follow(through: sublayer, of: layer, quantized: [quantized])
    }
}
