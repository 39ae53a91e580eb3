import NibbleCheckpoint
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

/// Matrices that are updated on the way back.
@Suite("Fused updates")
struct FusedUpdateTests {
    private static let sequences: [[Int32]] = [0, 13].map { (first: Int32) in
        (0..<32).map { (index: Int32) in (index * 7 + first) % 50 + 3 }
    }

    private static func recipe(
        _ parameters: Set<Recipe.Training.Parameters>, clipNorm: Float? = nil
    ) -> Recipe {
        var recipe = Recipe.student(.q4_0, isPure: true, parameters, scales: .learned, dither: .never)
        recipe.optimizer.state = .int8
        recipe.optimizer.clipNorm = clipNorm
        (recipe.optimizer.codeLearningRate, recipe.optimizer.scaleLearningRate) = (0.9, 0.05)
        recipe.schedule.warmupSteps = 0
        return recipe
    }

    /// A step of a student; its gradients' norm.
    private static func step(
        _ student: Student, _ recipe: Recipe, fuses: Bool, recomputes: Bool
    ) throws -> Double {
        let gradients = Gradients(compute: student.compute)
        let teacher = try LanguageModel(student.checkpoint, compute: student.compute)
        let pass = DistillationPass(teacher: teacher, student: student.quantized, recomputes: recomputes)
        guard fuses else {
            _ = try pass.run(sequences, into: gradients)
            let norm = gradients.sumOfSquares(student.parameters).squareRoot()
            try student.update(gradients, by: StudentSteps(recipe, step: 0, norm: nil))
            return norm
        }
        let fused = FusedUpdate(student, recipe, step: 0, gradients)
        _ = try pass.run(sequences, into: gradients)
        let rest = gradients.sumOfSquares(student.parameters)
        // What is updated has no gradient any more.
        for matrix in student.matrices where !matrix.role.isVocabulary {
            #expect(gradients[matrix.parameter] == nil)
        }
        try fused.finish()
        return (fused.sumOfSquares + rest).squareRoot()
    }

    private static func student(_ recipe: Recipe) throws -> Student {
        let student = try Student(
            ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")), recipe: recipe,
            compute: Compute(threads: 2, precision: .f32))
        try student.holdCodes()
        return student
    }

    @Test(
        "change what updates at the end of the step change",
        arguments: [[.linear, .norms], [.linear, .embedding], [.scales, .norms]]
            as [Set<Recipe.Training.Parameters>], [true, false])
    func same(parameters: Set<Recipe.Training.Parameters>, recomputes: Bool) throws {
        let recipe = Self.recipe(parameters)
        let (left, right) = (try Self.student(recipe), try Self.student(recipe))
        let start = left.matrices.map { Array($0.blocks) }
        let norm = try Self.step(left, recipe, fuses: true, recomputes: recomputes)
        let other = try Self.step(right, recipe, fuses: false, recomputes: recomputes)
        #expect(abs(norm / other - 1) < 1e-6)
        for (one, two) in zip(left.statePieces, right.statePieces) {
            #expect(one.name == two.name && one.memory.bytes.elementsEqual(two.memory.bytes), "\(one.name)")
        }
        #expect(zip(left.matrices, start).allSatisfy { !$0.blocks.elementsEqual($1) })
    }

    @Test("clip each gradient to its share of the norm")
    func clipping() throws {
        // Moments are proportional to what remains of a gradient.
        let recipe = Self.recipe([.linear, .norms], clipNorm: 1e-3)
        let (clipped, free) = (try Self.student(recipe), try Self.student(recipe))
        _ = try Self.step(clipped, recipe, fuses: true, recomputes: false)
        _ = try Self.step(free, Self.recipe([.linear, .norms]), fuses: true, recomputes: false)
        let all = free.parameters.reduce(0) { $0 + $1.count }
        for (left, right) in zip(clipped.vectors, free.vectors) {
            let norm = (0..<right.count).reduce(0.0) { sum, index in
                let gradient = Double(right.firstMoments.floats[index]) * 10
                return sum + gradient * gradient
            }.squareRoot()
            let bound = 1e-3 * (Double(right.count) / Double(all)).squareRoot()
            let factor = min(1, bound / (norm + 1e-6))
            for index in 0..<right.count {
                let expected = Double(right.firstMoments.floats[index]) * factor
                #expect(
                    abs(Double(left.firstMoments.floats[index]) - expected) <= 1e-4 * abs(expected),
                    "\(left.name)")
            }
        }
    }

    @Test("leave a matrix as it is whose gradient is no number, and tell by the norm")
    func nonFinite() throws {
        let recipe = Self.recipe([.linear])
        let student = try Self.student(recipe)
        let gradients = Gradients(compute: student.compute)
        let fused = FusedUpdate(student, recipe, step: 0, gradients)
        let matrix = student.matrices[0]
        let before = Array(matrix.blocks)
        let target = gradients.target(matrix.parameter).values
        for index in 0..<matrix.parameter.count { target[index] = index == 5 ? .nan : 1 }
        #expect(gradients.takeWhole?(matrix.parameter) == true)
        #expect(!fused.sumOfSquares.isFinite && matrix.blocks.elementsEqual(before))
        try fused.finish()
    }
}
