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
        let calibrator = try Calibrator(
            reference: teacher(student), quantized: student.quantized,
            matrices: student.matrices.compactMap(\.calibrated), options: options)
        return try #require(try calibrator.run(sequences))
    }

    /// What the gradients of some text say of a student's matrices.
    static func gradients(
        _ student: Student, _ sequences: [[Int32]], atATime: Int = 2, recomputes: Bool = false,
        continues: (Int) -> Bool = { _ in true }
    ) throws -> OutputGradients {
        try OutputGradients(
            student.quantized, student.matrices.compactMap(\.calibrated), sequences: sequences,
            atATime: atATime, recomputes: recomputes, continues: continues)
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
