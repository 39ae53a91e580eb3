import NibbleCalibration
import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("What a run begins with")
struct StartTests {
    private static func request(_ output: String, steps: Int = 0) -> TrainingRequest {
        var request = TrainingRequest(
            teacher: Fixtures.path("hub/gemma3-text"), texts: [Fixtures.path("texts/english.txt")],
            output: output, threads: 2, version: "test")
        request.recipe.train.steps = steps
        request.recipe.schedule.warmupSteps = 0
        request.recipe.train.sequenceLength = 32
        request.recipe.train.precision = .f32
        request.recipe.train.dither = .never
        request.recipe.evaluation.every = 1
        request.recipe.evaluation.chunks = 2
        return request
    }

    @Test("is the whole of a run of no steps, which is saved, exported, and not begun again")
    func noSteps() throws {
        let folder = try TemporaryFolder()
        var request = Self.request(folder.file("run"))
        let rounded: [(name: String, blocks: [UInt8])]
        do {
            let trainer = try Trainer(request).prepare()
            let nearest = trainer.student.matrices.map { Array($0.blocks) }
            var progress: [PreparationProgress] = []
            let summary = try trainer.train(preparing: { progress.append($0) })
            let layers = trainer.student.quantized.configuration.layerCount
            let tokens = progress.prefix { $0.stage == .weighingTokens }.map(\.done)
            let blocks = progress.dropFirst(tokens.count)
            #expect(tokens.count > 1 && tokens == tokens.sorted())
            #expect(blocks.allSatisfy { $0.stage == .roundingWeights && $0.total == layers })
            #expect(Set(blocks.map(\.done)) == Set(0...layers) && blocks.last?.done == layers)
            #expect(blocks.map(\.done) == blocks.map(\.done).sorted())
            #expect(blocks.last?.error ?? 0 > 0)
            #expect(summary.ending == .finished && summary.step == 0 && summary.losses.isEmpty)
            let (start, final) = (try #require(summary.rounded), try #require(summary.final))
            #expect(start.divergence != final.divergence)
            rounded = trainer.student.matrices.map { ($0.name, Array($0.blocks)) }
            #expect(zip(nearest, rounded).allSatisfy { $0 != $1.blocks })
        }
        let metrics = try MetricsHistory(path: folder.file("run") + "/metrics.jsonl").records
        #expect(metrics.map(\.step) == [0, 0])
        request.resumes = true
        do {
            let again = try Trainer(request).prepare()
            #expect(again.resumedAt == 0)
            #expect(try again.train().ending == .finished)
            #expect(try MetricsHistory(path: folder.file("run") + "/metrics.jsonl").records == metrics)
            for (left, right) in zip(again.student.matrices, rounded) {
                #expect(Array(left.blocks) == right.blocks)
            }
        }
        let path = folder.file("rounded.gguf")
        try RunExport(path: folder.file("run")).write(to: path, threads: 1, version: "test")
        let file = try GGUFFile(path: path)
        for (name, blocks) in rounded {
            let entry = try #require(file.tensors.first { $0.name == name })
            #expect(entry.bytes.elementsEqual(blocks), "\(name)")
        }
    }

    @Test("is prepared in a folder that creating a trainer does not make")
    func creation() throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(Self.request(folder.file("run")))
        #expect(try folder.names.isEmpty)
        _ = try trainer.prepare()
        #expect(try folder.names == ["run"])
    }

    @Test("is what calibration.method says", arguments: CalibrationOptions.Method.allCases)
    func weights(weights: CalibrationOptions.Method) throws {
        let folder = try TemporaryFolder()
        var request = Self.request(folder.file("run"))
        request.recipe.calibration.method = weights
        let trainer = try Trainer(request).prepare()
        let before = trainer.student.matrices.map { Array($0.values) }
        _ = try trainer.train()
        let moved = zip(trainer.student.matrices, before).count { !$0.values.elementsEqual($1) }
        #expect(moved == (weights == .nearest ? 0 : before.count))
    }

    @Test("names matrices whose inputs are all zero, and leaves them as they were rounded")
    func zeroInputs() throws {
        let folder = try TemporaryFolder()
        // Without the norm before attention nothing reaches it, and nothing comes from it.
        let source = try GGUFFile(path: Fixtures.path("hub/gemma3-text.expected.gguf"))
        var bytes = try contents(source.file.path)
        let norm = try #require(source.tensors.first { $0.name == "blk.1.attn_norm.weight" })
        for place in norm.range { bytes[place] = 0 }
        var request = Self.request(folder.file("run"))
        request.teacher = try folder.write(bytes, to: "teacher.gguf")
        let trainer = try Trainer(request).prepare()
        let before = trainer.student.matrices.map { Array($0.blocks) }
        _ = try trainer.train()
        let kept = zip(trainer.student.matrices, before).filter { $0.blocks.elementsEqual($1) }.map(\.0.name)
        #expect(
            kept.sorted()
                == ["k", "output", "q", "v"].map { "blk.1.attn_\($0).weight" })
        let note =
            "4 matrices are rounded to nearest, without GPTQ; the first is 'blk.1.attn_k.weight': its inputs are all zero"
        #expect(trainer.notes.last == note)
        let log = String(decoding: try contents(folder.file("run") + "/log.txt"), as: UTF8.self)
        #expect(log.contains(" \(note)\n"), "\(log)")
    }

    @Test("can be interrupted, and is begun anew")
    func interrupted() throws {
        let folder = try TemporaryFolder()
        let whole = try Trainer(Self.request(folder.file("whole"), steps: 2)).prepare()
        _ = try whole.train()
        var request = Self.request(folder.file("run"), steps: 2)
        do {
            let trainer = try Trainer(request).prepare()
            var done = 0
            let summary = try trainer.train(
                preparing: { done = $0.stage == .roundingWeights ? $0.done : 0 }, isCancelled: { done == 2 })
            #expect(summary.ending == .interrupted && summary.step == 0 && done == 2)
            // Half of the weights are rounded.
            let error = #expect(throws: TrainingError.self) {
                try trainer.export(to: folder.file("half.gguf"))
            }
            #expect(error?.problem == "has saved no state yet")
        }
        request.resumes = true
        let resumed = try Trainer(request).prepare()
        #expect(try resumed.train().ending == .finished)
        for (left, right) in zip(whole.student.matrices, resumed.student.matrices) {
            #expect(left.blocks.elementsEqual(right.blocks) && left.values.elementsEqual(right.values))
        }
    }

    @Test("is the saved state, where a run ran away: the weights in memory are not exported")
    func ranAway() throws {
        let folder = try TemporaryFolder()
        var request = Self.request(folder.file("run"), steps: 100)
        request.recipe.quantization.scales = .recomputed
        request.recipe.optimizer.learningRate = 1
        request.recipe.checkpoints.every = 1
        do {
            let run = try Trainer(request).prepare()
            let failure = #expect(throws: TrainingError.self) { try run.train() }
            #expect(failure?.code == .diverged)
            let error = #expect(throws: TrainingError.self) {
                try run.export(to: folder.file("memory.gguf"))
            }
            #expect(error?.problem == "has weights in memory that are those of no saved state")
        }
        let saved = try RunStatus(path: folder.file("run")).checkpoints.last?.step
        #expect(try #require(saved) > 0)
        try RunExport(path: folder.file("run")).write(
            to: folder.file("saved.gguf"), threads: 1, version: "test")
    }
}
