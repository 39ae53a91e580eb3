import NibbleCheckpoint
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

/// `optimizer.state: int8` beside F32.
@Suite("Weights and moments in 8 bits")
struct CompactStateTests {
    private static func student(
        _ type: QuantizationType, scales: Recipe.Quantization.Scales, _ state: Recipe.Optimizer.State,
        dither: Recipe.Training.Dithering = .never, threads: Int = 2
    ) throws -> Student {
        var recipe = Recipe.student(type, isPure: true, [.linear, .norms], scales: scales, dither: dither)
        recipe.optimizer.state = state
        let student = try Student(
            ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")), recipe: recipe,
            compute: Compute(threads: threads, precision: .f32))
        if scales == .learned { try student.holdCodes() }
        return student
    }

    /// Steps whose gradients have a part that is the same in all of them.
    private static func train(
        _ student: Student, steps count: Int, rate: Float = 0.01, scaleRate: Float = 0.001
    )
        throws
    {
        let gradients = Gradients(compute: student.compute)
        for number in 1...count {
            gradients.reset()
            var (constant, random) = (SeededGenerator(seed: 4), SeededGenerator(seed: 100 + UInt64(number)))
            for matrix in student.matrices {
                let values = gradients.target(matrix.parameter).values
                for index in 0..<matrix.parameter.count {
                    values[index] = constant.normal() + 2 * random.normal()
                }
            }
            var steps = StudentSteps(
                AdamWStep(rate: rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0, step: number))
            steps.matrices.rate = 1e-3
            steps.scales.rate = scaleRate
            try student.update(gradients, by: steps)
        }
    }

    @Test(
        "begin with the same blocks",
        arguments: [
            (.q4_0, .learned, .never), (.q8_0, .learned, .always), (.q4_1, .recomputed, .never),
            (.q4_0, .recomputed, .never),
        ] as [(QuantizationType, Recipe.Quantization.Scales, Recipe.Training.Dithering)])
    func beginning(
        type: QuantizationType, scales: Recipe.Quantization.Scales, dither: Recipe.Training.Dithering
    ) throws {
        let float = try Self.student(type, scales: scales, .f32, dither: dither)
        let compact = try Self.student(type, scales: scales, .int8, dither: dither)
        #expect(compact.matrices.count > 50 && compact.unquantized == nil)
        for (left, right) in zip(float.matrices, compact.matrices) {
            #expect(left.blocks.elementsEqual(right.blocks), "\(left.name)")
            #expect(left.learnedScales == right.learnedScales)
        }
    }

    @Test("change codes and scales as F32 does", arguments: [QuantizationType.q4_0, .q5_0, .q8_0])
    func held(type: QuantizationType) throws {
        let float = try Self.student(type, scales: .learned, .f32)
        let compact = try Self.student(type, scales: .learned, .int8)
        let start = float.matrices.map { Array($0.blocks) }
        try Self.train(float, steps: 60)
        try Self.train(compact, steps: 60)
        var (moved, other, both, different, total) = (0, 0, 0, 0, 0)
        var position = 0.0
        for (index, (left, right)) in zip(float.matrices, compact.matrices).enumerated() {
            let (before, after, own) = (start[index], Array(left.blocks), Array(right.blocks))
            for place in before.indices {
                moved += before[place] != after[place] ? 1 : 0
                other += before[place] != own[place] ? 1 : 0
                both += before[place] != own[place] && after[place] == own[place] ? 1 : 0
                different += after[place] != own[place] ? 1 : 0
            }
            total += before.count
            for (old, new) in zip(left.values, right.values) { position += Double(old - new) }
        }
        #expect(moved > total / 40, "\(moved) of \(total)")
        // As many of them change, most of them the same ones, and to neither side more than to the other.
        #expect(abs(moved - other) * 20 < moved, "\(moved) and \(other)")
        #expect(both * 3 > moved * 2, "\(both) of \(moved)")
        #expect(different * 4 < moved * 3, "\(different) of \(moved)")
        #expect(abs(position) / Double(total) < 1e-3)
    }

    @Test("of recomputed scales stay near to F32's in BF16", arguments: [QuantizationType.q4_0, .q4_1])
    func recomputed(type: QuantizationType) throws {
        let float = try Self.student(type, scales: .recomputed, .f32)
        let compact = try Self.student(type, scales: .recomputed, .int8)
        let start = float.matrices.map(\.values)
        try Self.train(float, steps: 20)
        try Self.train(compact, steps: 20)
        var (way, error, drift, count) = (0.0, 0.0, 0.0, 0)
        for (index, (left, right)) in zip(float.matrices, compact.matrices).enumerated() {
            for (place, (old, new)) in zip(left.values, right.values).enumerated() {
                way += Double((old - start[index][place]) * (old - start[index][place]))
                error += Double((new - old) * (new - old))
                drift += Double(new - old)
                count += 1
            }
        }
        #expect(way > 0 && error < way / 2, "\(error) of \(way)")
        #expect(abs(drift) / Double(count) < 0.02 * (way / Double(count)).squareRoot())
    }

    @Test("do not depend on threads")
    func threads() throws {
        for (type, scales) in [
            (.q4_0, .learned), (.q4_1, .recomputed),
        ] as [(QuantizationType, Recipe.Quantization.Scales)] {
            let one = try Self.student(type, scales: scales, .int8, threads: 1)
            let two = try Self.student(type, scales: scales, .int8, threads: 2)
            try Self.train(one, steps: 3)
            try Self.train(two, steps: 3)
            for (left, right) in zip(one.statePieces, two.statePieces) {
                #expect(
                    left.name == right.name && left.memory.bytes.elementsEqual(right.memory.bytes),
                    "\(left.name)")
            }
        }
    }

    @Test("take less than five bytes a weight where codes are held, of which F32 takes sixteen")
    func size() throws {
        let student = try Self.student(.q4_0, scales: .learned, .int8)
        let weights = student.matrices.reduce(0) { $0 + $1.parameter.count }
        var recipe = Recipe.student(.q4_0, isPure: true, [.linear], scales: .learned)
        recipe.optimizer.state = .int8
        let bytes = StudentBytes(student.plan, TrainingScope(recipe, student.plan), .int8, student.compute)
        // Blocks 0.5625, positions 1, moments 2, scales with moments 0.375; rows of this model are short.
        #expect(Double(bytes.trained) / Double(weights) < 4.2)
    }

    @Test("of a diverged step are errors that name the tensor")
    func diverged() throws {
        let student = try Self.student(.q4_0, scales: .learned, .int8)
        let error = #expect(throws: CheckpointError.self) {
            try Self.train(student, steps: 1, scaleRate: .nan)
        }
        #expect(error?.description.contains("tensor") == true)
    }

    @Test("need codes from the first step on")
    func rule() {
        var recipe = Recipe()
        recipe.optimizer.state = .int8
        recipe.quantization.startStep = 3
        #expect(throws: TrainingError.self) { try recipe.validated(path: "recipe") }
    }
}
