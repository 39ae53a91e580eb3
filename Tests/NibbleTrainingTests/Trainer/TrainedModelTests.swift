import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("A trained model")
struct TrainedModelTests {
    private let folder: TemporaryFolder
    private let text: String

    init() throws {
        folder = try TemporaryFolder()
        let page = try contents(Fixtures.path("texts/english.txt"))
        text = try folder.write(page + page + page, to: "text.txt")
    }

    private func trainer(_ teacher: String, _ change: (inout Recipe) -> Void) throws -> TrainingRun {
        var request = TrainingRequest(
            teacher: Fixtures.path(teacher), texts: [text], output: folder.file("run"), threads: 2,
            version: "test")
        request.recipe.train.sequenceLength = 64
        request.recipe.train.steps = 12
        request.recipe.train.precision = .f32
        request.recipe.optimizer.learningRate = 1e-3
        request.recipe.evaluation.chunks = 2
        change(&request.recipe)
        return try Trainer(request).prepare()
    }

    /// Largest difference of logits, relative to the largest logit. The vocabulary head is held in F32 by the student,
    /// as blocks by the file; sums in another order change the last bits of each layer (LogitTests).
    private static let bound: Float = 1e-4

    @Test(
        "gives the same logits from its file, or its folder, as it gave in training",
        arguments: [
            "hub/gemma3-text", "hub/qwen2", "hub/smollm2", "hub/llama3", "hub/gemma3-text.expected.gguf",
        ],
        ["model.gguf", "hub"])
    func logits(teacher: String, output: String) throws {
        let trainer = try trainer(teacher) { $0.train.parameters = [.linear, .norms, .embedding] }
        #expect(try trainer.train().ending == .finished)
        try RunExport(path: folder.file("run")).write(to: folder.file(output), threads: 2, version: "test")
        let exported = try LanguageModel(
            ModelCheckpoint(path: folder.file(output)), compute: Compute(threads: 2, precision: .f32))
        let tokens = Array(trainer.batches.batch(step: 0)[0].prefix(40))
        for position in [0, 17, 39] {
            let own = try trainer.student.quantized.logits(of: tokens, position: position)
            let other = try exported.logits(of: tokens, position: position)
            let difference = zip(own, other).map { abs($0 - $1) }.max() ?? .infinity
            let largest = own.map { abs($0) }.max() ?? 0
            #expect(
                own.count == other.count && difference <= Self.bound * largest, "\(difference) of \(largest)")
            // What was trained is another model.
            let before = try trainer.teacher.logits(of: tokens, position: position)
            #expect(zip(own, before).contains { abs($0 - $1) > 100 * Self.bound * largest })
        }
    }

    @Test("may begin without rounding, whose losses of nothing are no measure of those that follow")
    func startStep() throws {
        let trainer = try trainer("hub/gemma3-text") {
            $0.train.steps = 40
            $0.quantization.startStep = 25
            $0.optimizer.learningRate = 1e-5
        }
        let losses = try trainer.train().losses
        #expect(losses.count == 40)
        #expect(losses[..<25].allSatisfy { $0 < 0.01 } && losses[25...].allSatisfy { $0 > 0.05 }, "\(losses)")
    }
}
