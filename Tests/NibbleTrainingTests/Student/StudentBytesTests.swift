import NibbleCheckpoint
import NibbleEvaluation
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Bytes of a student, from shapes")
struct StudentBytesTests {
    /// Parameters that are trained, and how scales are chosen.
    static let cases: [(Set<Recipe.Training.Parameters>, Recipe.Quantization.Scales)] = [
        ([.linear], .recomputed), ([.linear, .scales], .learned), ([.scales], .learned),
        ([.linear, .embedding, .norms, .scales], .learned), ([.linear, .norms], .recomputed),
    ]

    @Test("are what the student holds", arguments: Recipe.Optimizer.State.allCases, cases)
    func held(
        state: Recipe.Optimizer.State,
        with: (parameters: Set<Recipe.Training.Parameters>, scales: Recipe.Quantization.Scales)
    ) throws {
        for name in ["hub/gemma3-text", "hub/qwen2"] { try check(name, state, with) }
    }

    private func check(
        _ name: String, _ state: Recipe.Optimizer.State,
        _ with: (parameters: Set<Recipe.Training.Parameters>, scales: Recipe.Quantization.Scales)
    ) throws {
        var recipe = Recipe.student(
            .q4_0, isPure: true, with.parameters, scales: with.scales, dither: .never)
        recipe.optimizer.state = state
        let checkpoint = try ModelCheckpoint(path: Fixtures.path(name))
        let student = try Student(
            checkpoint, recipe: recipe, compute: Compute(threads: 1, precision: .f32))
        let bytes = StudentBytes(student.plan, student.scope, state, student.compute)
        let matrices = student.matrices.reduce(0) { sum, matrix in
            let scales = matrix.scales.map { 3 * $0.masters.bytes.count } ?? 0
            return sum + Self.count(matrix.state) + scales + matrix.encoded.bytes.count
        }
        let vectors = student.vectors.reduce(0) { $0 + 3 * $1.masters.bytes.count }
        #expect(bytes.trained == matrices + vectors)
        let all = student.parameters.reduce(0) { $0 + 4 * $1.count }
        #expect(
            state == .f32
                ? bytes.gradients == all : bytes.gradients < all / 2 || with.parameters.contains(.embedding))
        #expect(bytes.teacher == checkpoint.tensors.reduce(0) { $0 + $1.entry.range.count })
        // What is quantized and not trained: with --pure the embedding, unless that is trained.
        let isEmbeddingTrained = with.parameters.contains(.embedding)
        #expect((bytes.frozen == 0) == isEmbeddingTrained)
        // It is held as products take it.
        let held = isEmbeddingTrained ? nil : student.quantized.vocabularyMatrix
        #expect(bytes.frozen == (held.map { $0.rows * $0.columns * 4 } ?? 0))
    }

    /// Bytes of weights and moments. Memory without content has one.
    private static func count(_ state: WeightState) -> Int {
        let memory: [Memory] =
            switch state {
            case .float(let floats): [floats.weights, floats.firstMoments, floats.secondMoments]
            case .compact(let compact):
                [compact.weights.memory]
                    + [compact.firstMoments, compact.secondMoments].compactMap { $0 }.flatMap {
                        [$0.codes, $0.magnitudes]
                    }
            }
        return memory.map(\.bytes.count).filter { $0 > 1 }.reduce(0, +)
    }

    @Test("of a model that is known by name are planned without a checkpoint")
    func known() throws {
        var recipe = Recipe()
        recipe.quantization.type = .q4_0
        let model = try MemorySubject("gemma-3-270m")
        let plan = try MemoryPlan(model, recipe, threads: 2, limit: 24 << 30)
        #expect(plan.resident > 2_000_000_000 && plan.resident < 6_000_000_000, "\(plan.resident)")
        #expect(!plan.recomputes)
        let large = try MemoryPlan(MemorySubject("gemma-3-4b"), recipe, threads: 2, limit: 24 << 30)
        #expect(large.resident > 24 << 30 && large.recomputes)
    }
}
