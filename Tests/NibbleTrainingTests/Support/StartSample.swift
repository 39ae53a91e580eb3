import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport

@testable import NibbleTraining

/// What tests of starts begin with: a student whose scales are learned, and sequences of tokens.
enum StartSample {
    static func student(_ type: QuantizationType = .q4_0, threads: Int = 2) throws -> Student {
        var options = StudentOptions()
        options.plan = QuantizationPlan(type)
        options.parameters = [.linear, .scales]
        options.config.scales = .learned
        options.dithering = .never
        return try Student(
            ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")), options: options,
            compute: Compute(threads: threads, precision: .f32))
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
