import Foundation
import NibbleCalibration
import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import NibbleTraining
import Testing

@Suite("Training with a cached teacher and with text of its own", .serialized)
struct TeacherTrainingTests {
    static func request(_ output: String, _ folder: TemporaryFolder, threads: Int = 2) throws
        -> TrainingRequest
    {
        var request = TrainingRequest(
            teacher: Fixtures.path("hub/gemma3-text"), texts: [Fixtures.path("texts/english.txt")],
            output: folder.file(output), threads: threads, version: "0.3.0")
        for (field, value) in [
            ("train.sequence_length", "32"), ("train.sequences_per_step", "2"), ("train.steps", "4"),
            ("train.precision", "f32"), ("evaluation.every", "2"), ("evaluation.chunks", "2"),
            ("schedule.warmup_steps", "1"), ("optimizer.code_learning_rate", "0.1"), ("teacher.top_k", "16"),
        ] {
            try request.recipe.set(field, to: value)
        }
        return request
    }

    /// The bytes of the last state.
    static func state(_ request: TrainingRequest) throws -> [UInt8] {
        try contents(request.output + "/checkpoints/step-00000004.safetensors")
    }

    @Test(
        "writes the probabilities of the sequences that it uses, and trains on them to the same bits when resumed"
    )
    func cached() throws {
        let folder = try TemporaryFolder()
        var request = try Self.request("whole", folder)
        try request.recipe.set("teacher.kind", to: "cached")
        var progress: [PreparationProgress] = []
        let summary = try Trainer(request).prepare(progress: { progress.append($0) }).train()
        // Four steps of two sequences of 32 tokens.
        #expect(progress.last == PreparationProgress(stage: .cachingTeacher, done: 256, total: 256))
        #expect(summary.losses.count == 4 && summary.losses.allSatisfy { $0 > 0 })
        var live = try Self.request("live", folder)
        let reference = try Trainer(live).prepare().train()
        // The divergence over 17 outcomes is below that over the vocabulary.
        #expect(summary.losses[0] < reference.losses[0])
        live.teacherCache = folder.file("other")
        #expect(throws: TrainingError.self) { try Trainer(live).prepare() }

        var parts = try Self.request("parts", folder, threads: 1)
        parts.recipe = request.recipe
        var steps = 0
        let stopped = try Trainer(parts).prepare().train(
            progress: { if $0.step == 2 { steps += 1 } }, isCancelled: { steps > 0 })
        #expect(stopped.ending == .interrupted)
        parts.resumes = true
        _ = try Trainer(parts).prepare(progress: { _ in Issue.record("computed again") }).train()
        #expect(try Self.state(parts) == Self.state(request))
    }

    @Test("uses a cache at another place, and refuses that of another temperature")
    func shared() throws {
        let folder = try TemporaryFolder()
        var request = try Self.request("a", folder)
        try request.recipe.set("teacher.kind", to: "cached")
        request.teacherCache = folder.file("cache")
        _ = try Trainer(request).prepare().train()
        var second = request
        second.output = folder.file("b")
        _ = try Trainer(second).prepare(progress: { _ in Issue.record("computed again") }).train()
        #expect(try Self.state(request) == Self.state(second))
        second.output = folder.file("c")
        try second.recipe.set("loss.temperature", to: "2")
        let error = #expect(throws: CheckpointError.self) { try Trainer(second).prepare() }
        #expect(
            error?.code == .inconsistent
                && error?.problem.contains("another temperature (1.0, now 2.0)") == true)
    }

    @Test("refuses more entries than tokens, and losses that a cache does not know")
    func refused() throws {
        let folder = try TemporaryFolder()
        var request = try Self.request("a", folder)
        try request.recipe.set("teacher.kind", to: "cached")
        try request.recipe.set("teacher.top_k", to: "449")
        let top = #expect(throws: TrainingError.self) { try Trainer(request).prepare() }
        #expect(top?.problem == "teacher.top_k is 449, the vocabulary has 448 tokens")
        try request.recipe.set("teacher.top_k", to: "8")
        for field in ["loss.reverse_kl", "loss.hidden"] {
            var other = request
            try other.recipe.set(field, to: "0.5")
            let error = #expect(throws: TrainingError.self) { try Trainer(other).prepare() }
            #expect(error?.code == .invalidRecipe && error?.problem.contains(field) == true)
        }
        #expect(!FileManager.default.fileExists(atPath: request.output))
    }

    @Test("trains with matched hidden states, which cost loss")
    func hidden() throws {
        let folder = try TemporaryFolder()
        let plain = try Trainer(Self.request("plain", folder)).prepare().train()
        var request = try Self.request("hidden", folder)
        try request.recipe.set("loss.hidden", to: "0.1")
        let matched = try Trainer(request).prepare().train()
        #expect(matched.losses[0] > plain.losses[0])
        #expect(matched.losses != plain.losses)
    }

    @Test("has the teacher write what it trains on, once, and goes on to the same bits")
    func ownText() throws {
        let folder = try TemporaryFolder()
        var request = try Self.request("whole", folder)
        (request.texts, request.selfSequences) = ([], 6)
        var progress: [PreparationProgress] = []
        let trainer = try Trainer(request).prepare(progress: { progress.append($0) })
        // The limit, and what is held out.
        #expect(trainer.batches.text.sequenceCount == 6)
        #expect(progress.last == PreparationProgress(stage: .writingText, done: 8 * 31, total: 8 * 31))
        _ = try trainer.train()

        var parts = request
        parts.output = folder.file("parts")
        var asked = 0
        let error = #expect(throws: CheckpointError.self) {
            try Trainer(parts).prepare(
                isCancelled: {
                    asked += 1; return asked > 5
                })
        }
        #expect(error?.code == .cancelled)
        parts.resumes = true
        var steps = 0
        _ = try Trainer(parts).prepare().train(
            progress: { if $0.step == 1 { steps += 1 } }, isCancelled: { steps > 0 })
        _ = try Trainer(parts).prepare(progress: { _ in Issue.record("written again") }).train()
        #expect(try Self.state(parts) == Self.state(request))
    }

    @Test("writes no text where the folder holds something else")
    func occupied() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("run")
        try folder.write([1], to: "run/photo.jpg")
        var request = try Self.request("run", folder)
        (request.texts, request.selfSequences) = ([], 6)
        let error = #expect(throws: TrainingError.self) {
            try Trainer(request).prepare(progress: { _ in Issue.record("wrote text") })
        }
        #expect(error?.code == .mismatch)
        #expect(try FileManager.default.contentsOfDirectory(atPath: request.output) == ["photo.jpg"])
    }
}
