import NibbleCalibration
import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Runs that learn scales")
struct LearnedScalesRunTests {
    private static func request(
        _ output: String, parameters: Set<Recipe.Training.Parameters>,
        dither: Recipe.Training.Dithering = .never
    ) -> TrainingRequest {
        var request = TrainingRequest(
            teacher: Fixtures.path("hub/gemma3-text"), texts: [Fixtures.path("texts/english.txt")],
            output: output, threads: 2, version: "test")
        request.recipe.quantization.scales = .learned
        request.recipe.train.parameters = parameters
        request.recipe.train.steps = 6
        request.recipe.train.sequenceLength = 32
        request.recipe.train.sequencesPerStep = 2
        request.recipe.train.precision = .f32
        request.recipe.train.dither = dither
        request.recipe.evaluation.every = 0
        request.recipe.checkpoints.every = 2
        return request
    }

    @Test(
        "end in the same bits when they were interrupted, and export them",
        arguments: [
            ([.linear, .norms, .scales], .never), ([.scales], .never), ([.scales], .always),
        ] as [(Set<Recipe.Training.Parameters>, Recipe.Training.Dithering)],
        Recipe.Optimizer.State.allCases)
    func resume(
        with: (parameters: Set<Recipe.Training.Parameters>, dither: Recipe.Training.Dithering),
        state: Recipe.Optimizer.State
    ) throws {
        let folder = try TemporaryFolder()
        var request = Self.request(
            folder.file("whole"), parameters: with.parameters, dither: with.dither)
        request.recipe.optimizer.state = state
        let whole = try Trainer(request).prepare()
        #expect(try whole.train().ending == .finished)
        // On another number of threads, too.
        request.output = folder.file("run")
        request.threads = 1
        do {
            let trainer = try Trainer(request).prepare()
            var steps = 0
            let summary = try trainer.train(progress: { steps = $0.step }, isCancelled: { steps == 3 })
            #expect(summary.ending == .interrupted && summary.step == 3)
        }
        request.resumes = true
        let resumed = try Trainer(request).prepare()
        #expect(resumed.resumedAt == 3)
        #expect(try resumed.train().ending == .finished)
        for (left, right) in zip(whole.student.matrices, resumed.student.matrices) {
            #expect(left.learnedScales == right.learnedScales && left.blocks.elementsEqual(right.blocks))
        }

        let path = folder.file("trained.gguf")
        try RunExport(path: folder.file("run")).write(to: path, threads: 1, version: "test")
        // Without reading teacher and state again.
        let direct = folder.file("direct.gguf")
        try resumed.export(to: direct)
        #expect(try contents(direct) == contents(path))
        let file = try GGUFFile(path: path)
        let recomputed = try Self.converted(folder)
        var changed = 0
        for matrix in resumed.student.matrices {
            let entry = try #require(file.tensors.first { $0.name == matrix.name })
            #expect(entry.type == .q4_0 && entry.bytes.elementsEqual(matrix.blocks), "\(matrix.name)")
            let before = try #require(recomputed.tensors.first { $0.name == matrix.name })
            changed += before.bytes.elementsEqual(entry.bytes) ? 0 : 1
        }
        #expect(changed == resumed.student.matrices.count && changed > 50)
    }

    private static func converted(
        _ folder: TemporaryFolder, _ input: String = Fixtures.path("hub/gemma3-text"),
        type: QuantizationType = .q4_0
    ) throws -> GGUFFile {
        let path = folder.file("converted-\(input.hashValue.magnitude).gguf")
        try Converter(
            ConversionRequest(input: input, output: path, plan: QuantizationPlan(type), threads: 1)
        ).run()
        return try GGUFFile(path: path)
    }

    @Test(
        "export hub folders and files whose blocks are the same when quantized again",
        arguments: [QuantizationType.q4_0, .q5_0, .q8_0], [CalibrationOptions.Scales.codec, .importance])
    func again(type: QuantizationType, start: CalibrationOptions.Scales) throws {
        let folder = try TemporaryFolder()
        var request = Self.request(folder.file("run"), parameters: [.linear, .norms, .scales])
        request.recipe.quantization.type = type
        request.recipe.calibration.scales = start
        // Large enough that codes change, and blocks lose their extreme if nothing holds it.
        request.recipe.optimizer.scaleLearningRate = 0.005
        request.recipe.optimizer.codeLearningRate = 0.18
        let trainer = try Trainer(request).prepare()
        _ = try trainer.train()
        let run = RunExport(path: folder.file("run"))
        let file = folder.file("trained.gguf")
        try run.write(to: file, threads: 1, version: "test")
        let summary = try run.write(to: folder.file("hub"), threads: 1, version: "test")
        let report = try #require(summary.export)
        #expect(report.total.identical == report.total.blocks && report.total.blocks > 1000, "\(report)")

        try Converter(
            ConversionRequest(
                input: file, output: folder.file("decoded"), plan: QuantizationPlan(.f32), threads: 1)
        ).run()
        let trained = try GGUFFile(path: file)
        for source in ["hub", "decoded"] {
            let again = try Self.converted(folder, folder.file(source), type: type)
            #expect(again.tensors.map(\.name) == trained.tensors.map(\.name))
            for (left, right) in zip(again.tensors, trained.tensors) {
                #expect(
                    left.type == right.type && left.bytes.elementsEqual(right.bytes),
                    "\(source): \(left.name)")
            }
            #expect(again.metadata.keys == trained.metadata.keys, "\(source)")
            // A hub folder has no name but that of the folder.
            for key in trained.metadata.keys where key != "general.name" {
                #expect(
                    try again.metadata.value(key) == trained.metadata.value(key), "\(source): \(key)")
            }
        }
    }

    @Test("refuse tensors of types whose scales cannot be learned, naming both")
    func types() throws {
        let folder = try TemporaryFolder()
        var request = Self.request(folder.file("run"), parameters: [.linear, .scales])
        request.recipe.quantization.tensorTypes = [try .init(pattern: "blk.1.ffn_up", type: .q4_1)]
        let error = #expect(throws: TrainingError.self) { try Trainer(request).prepare() }
        #expect(
            error?.description.contains(
                "tensor 'blk.1.ffn_up.weight' becomes Q4_1, expected one of Q4_0, Q5_0, Q8_0") == true)
        request.recipe.quantization.tensorTypes = []
        request.recipe.quantization.embeddingType = .iq4_nl
        #expect(try Trainer(request).prepare().student.matrices.count > 50)
        request.output = folder.file("other")
        request.recipe.train.parameters = [.embedding, .scales]
        let other = #expect(throws: TrainingError.self) { try Trainer(request).prepare() }
        #expect(other?.description.contains("'token_embd.weight' becomes IQ4_NL") == true)
    }
}
