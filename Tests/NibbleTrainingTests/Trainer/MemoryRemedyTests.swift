import NibbleCalibration
import NibbleEvaluation
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import Testing

@testable import NibbleTraining

/// What a run that does not fit into memory is told.
@Suite("Remedies for too little memory")
struct MemoryRemedyTests {
    private func remedies(
        _ model: String, limit: Int, _ change: (inout Recipe) -> Void = { _ in }
    ) throws -> (remedies: MemoryPlan.Remedies, plan: (Recipe) throws -> MemoryPlan) {
        var recipe = Recipe()
        recipe.quantization.type = .q4_0
        // Of products in F32, whatever the processor has.
        recipe.train.precision = .f32
        change(&recipe)
        let subject = try MemorySubject(model)
        func plan(_ recipe: Recipe) throws -> MemoryPlan {
            try MemoryPlan(subject, recipe, threads: 2, limit: limit)
        }
        let resident = try plan(recipe).resident
        let found = MemoryPlan.remedies(recipe, resident: resident, limit: limit) {
            guard let plan = try? plan($0) else { preconditionFailure("\($0) is no recipe for \(model)") }
            return plan
        }
        return (found, plan)
    }

    @Test("have the bytes that the changed recipe's plan has")
    func bytes() throws {
        let limit = 22_000_000_000
        let (found, plan) = try remedies("gemma-3-4b", limit: limit)
        let small = try #require(found.single.first { $0.settings == "optimizer.state=int8" })
        var recipe = Recipe()
        recipe.quantization.type = .q4_0
        recipe.train.precision = .f32
        recipe.optimizer.state = .int8
        #expect(try small.resident == plan(recipe).resident)
        #expect(small.resident < limit && found.resident > limit)
        #expect(found.together == nil && found.single.allSatisfy { $0.resident < found.resident })
        // Blocks are computed again already.
        #expect(!found.single.contains { $0.settings.hasPrefix("train.recompute") })
        #expect(found.advice.hasPrefix("it fits with optimizer.state=int8 ("), "\(found.advice)")
        #expect(
            found.advice.contains("; less is saved by train."), "\(found.advice)")
    }

    @Test("are put together where one does not do")
    func together() throws {
        let alone = try remedies("gemma-3-4b", limit: 22_000_000_000).remedies.single.map(\.resident).min()
        let limit = try #require(alone) - 1
        let found = try remedies("gemma-3-4b", limit: limit).remedies
        let together = try #require(found.together)
        #expect(together.settings.contains("optimizer.state=int8 ") && together.resident <= limit)
        #expect(found.advice.hasPrefix("it fits with optimizer.state=int8 "), "\(found.advice)")
        #expect(found.advice.contains(" together; by themselves: "), "\(found.advice)")
    }

    @Test("are said not to do where all of them do not")
    func none() throws {
        let found = try remedies("gemma-3-4b", limit: 1_000_000_000).remedies
        #expect(found.together == nil && found.least > 1_000_000_000)
        #expect(
            found.advice.hasPrefix("nothing in the recipe makes it fit (at the least it takes "),
            "\(found.advice)")
    }

    @Test("leave the embedding out where it is trained, and no state that the recipe forbids")
    func rules() throws {
        let found = try remedies("gemma-3-270m", limit: 2_000_000_000) {
            $0.train.parameters = [.linear, .norms, .embedding]
            $0.quantization.embeddingType = .q8_0
            $0.quantization.startStep = 5
            $0.quantization.scales = .recomputed
            $0.calibration.method = .nearest
        }.remedies
        #expect(found.single.contains { $0.settings == "train.parameters=linear,norms" }, "\(found.advice)")
        #expect(!found.single.contains { $0.settings == "optimizer.state=int8" }, "\(found.advice)")
        #expect(!found.single.contains { $0.settings.hasPrefix("calibration") }, "\(found.advice)")
    }
}
