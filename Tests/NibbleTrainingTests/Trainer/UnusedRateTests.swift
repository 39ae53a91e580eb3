import NibbleQuantization
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("A learning rate that moves nothing")
struct UnusedRateTests {
    private static func notes(_ fields: [(String, String)]) throws -> [String] {
        let folder = try TemporaryFolder()
        var request = TrainingRequest(
            teacher: Fixtures.path("hub/gemma3-text"), texts: [Fixtures.path("texts/english.txt")],
            output: folder.file("run"), threads: 1, version: "test")
        let common = [
            ("train.sequence_length", "32"), ("train.precision", "f32"), ("train.dither", "never"),
            ("evaluation.every", "0"),
        ]
        for (field, value) in common + fields { try request.recipe.set(field, to: value) }
        return try Trainer(request).prepare().notes.filter { $0.contains("moves nothing") }
    }

    @Test("is noted, with the one that counts")
    func noted() throws {
        #expect(
            try Self.notes([("quantization.type", "q4_0"), ("optimizer.learning_rate", "0.0625")]) == [
                "optimizer.learning_rate is 0.0625, and moves nothing: scales are learned, so that "
                    + "optimizer.code_learning_rate and optimizer.scale_learning_rate count"
            ])
        #expect(
            try Self.notes([
                ("quantization.type", "q4_1"), ("optimizer.code_learning_rate", "0.5"),
                ("optimizer.scale_learning_rate", "0.25"),
            ]) == [
                "optimizer.code_learning_rate is 0.5, and moves nothing: scales are recomputed, so that "
                    + "optimizer.learning_rate counts",
                "optimizer.scale_learning_rate is 0.25, and moves nothing: scales are recomputed, so that "
                    + "optimizer.learning_rate counts",
            ])
    }

    @Test(
        "is not where it moves something, or is the default",
        arguments: [
            [("quantization.type", "q4_0"), ("optimizer.code_learning_rate", "0.5")],
            [("quantization.type", "q4_1"), ("optimizer.learning_rate", "0.0625")],
            [("quantization.type", "q4_0")], [("quantization.type", "q4_1")],
            [
                ("quantization.type", "q4_0"), ("quantization.start_step", "2"), ("train.steps", "20"),
                ("optimizer.learning_rate", "0.0625"),
            ],
        ])
    func notNoted(fields: [(String, String)]) throws {
        #expect(try Self.notes(fields).isEmpty)
    }
}
