import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Learned scales")
struct LearnedScalesTests {
    private static func student(
        _ type: QuantizationType, _ parameters: Set<Recipe.Training.Parameters>,
        scales: Recipe.Quantization.Scales = .learned, gradient: FakeQuantizeConfig.Gradient = .identity
    ) throws -> Student {
        var recipe = Recipe.student(type, isPure: true, parameters, scales: scales, dither: .never)
        recipe.quantization.gradient = gradient
        return try Student(
            ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")), recipe: recipe,
            compute: Compute(threads: 2, precision: .f32))
    }

    private static func steps(
        weights: Float = 0, scales: Float = 0, _ number: Int = 1
    ) -> StudentSteps {
        let step = AdamWStep(rate: weights, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0, step: number)
        var steps = StudentSteps(step)
        steps.scales.rate = scales
        return steps
    }

    /// Gradients drawn from a seed for every matrix.
    private static func gradients(_ student: Student, seed: UInt64 = 4) -> Gradients {
        let gradients = Gradients(compute: student.compute)
        var random = SeededGenerator(seed: seed)
        for matrix in student.matrices {
            let values = gradients.target(matrix.parameter).values
            for index in 0..<matrix.parameter.count { values[index] = random.normal() }
        }
        return gradients
    }

    /// The scales in a matrix's blocks.
    private static func scales(_ matrix: TrainedMatrix, _ type: QuantizationType = .q4_0) throws -> [Float] {
        let codec = try #require(type.format.scaledBlocks)
        var scales = [Float](repeating: 0, count: matrix.rows * matrix.columns / ScaledBlocks.blockSize)
        var span = scales.mutableSpan
        codec.readScales(RawSpan(_unsafeBytes: matrix.blocks), into: &span)
        return scales
    }

    /// The portable scales nearest to those that the codec chooses.
    private static func nearest(_ matrix: TrainedMatrix, _ type: QuantizationType = .q4_0) throws -> [Float] {
        let codec = try #require(type.format.scaledBlocks)
        var scales = [Float](repeating: 0, count: matrix.rows * matrix.columns / ScaledBlocks.blockSize)
        var span = scales.mutableSpan
        codec.chooseScales(matrix.values.span, into: &span)
        return scales.map(ScaledBlocks.portable)
    }

    @Test(
        "are the portable scales nearest to recomputed ones before the first step",
        arguments: [QuantizationType.q4_0, .q5_0, .q8_0])
    func start(type: QuantizationType) throws {
        let learned = try Self.student(type, [.linear, .embedding, .scales])
        let recomputed = try Self.student(type, [.linear, .embedding], scales: .recomputed)
        #expect(learned.matrices.count == recomputed.matrices.count && learned.matrices.count > 50)
        for (left, right) in zip(learned.matrices, recomputed.matrices) {
            #expect(right.learnedScales == nil)
            let scales = try #require(left.learnedScales)
            #expect(try scales == Self.nearest(right, type), "\(left.name)")
            // The file holds what is trained with.
            #expect(try scales == Self.scales(left, type), "\(left.name)")
        }
        let scales = learned.matrices.reduce(0) { $0 + $1.parameter.count / 32 }
        #expect(learned.trainedCount == recomputed.trainedCount + scales)
        let with = StudentBytes(learned.plan, learned.scope, .f32, learned.compute)
        let without = StudentBytes(recomputed.plan, recomputed.scope, .f32, recomputed.compute)
        #expect(with.trained == without.trained + 12 * scales && with.gradients == without.gradients)
    }

    @Test("alone are trained while codes stay, and weights hold no moments")
    func alone() throws {
        let student = try Self.student(.q4_0, [.scales])
        let names = student.statePieces.map(\.name)
        #expect(!names.contains { $0.hasSuffix("weight.m") } && names.count == 4 * student.matrices.count)
        try student.holdCodes()
        let before = student.matrices.map { (Array($0.blocks), $0.learnedScales ?? []) }
        try student.update(Self.gradients(student), by: Self.steps(scales: 1e-2))
        for (matrix, before) in zip(student.matrices, before) {
            let scales = try #require(matrix.learnedScales)
            // The first step of Adam is the rate itself, but where the gradient is 0; the nearest portable scale is off
            // by half of a 128th at most.
            let moved = zip(scales, before.1).count { abs(abs($0 / $1 - 1) - 1e-2) < 0x1p-8 }
            #expect(moved > scales.count * 9 / 10)
            #expect(scales.allSatisfy { $0 == ScaledBlocks.portable($0) })
            // After the half of its scale a block has its codes.
            for (index, (old, new)) in zip(before.0, matrix.blocks).enumerated() where index % 18 > 1 {
                #expect(old == new, "\(matrix.name), byte \(index)")
            }
            for (index, value) in matrix.values.enumerated() {
                let code = value / scales[index / 32]
                #expect(abs(code - code.rounded()) < 1e-4, "\(matrix.name), \(index)")
            }
        }
    }

    @Test("keep their sign, however large the step")
    func sign() throws {
        let student = try Self.student(.q4_0, [.scales])
        let before = student.matrices.flatMap { $0.learnedScales ?? [] }
        try student.update(Self.gradients(student), by: Self.steps(scales: 3))
        let after = student.matrices.flatMap { $0.learnedScales ?? [] }
        var floored = 0
        for (old, new) in zip(before, after) {
            #expect((old < 0) == (new < 0) && new.magnitude >= min(ScaledBlocks.smallestScale, old.magnitude))
            floored += new.magnitude == ScaledBlocks.smallestScale ? 1 : 0
        }
        #expect(floored > before.count / 4)
        // What is there is no NaN or infinity, and its scales come back.
        try student.update(Self.gradients(student), by: Self.steps(scales: 3, 2))
    }

    @Test("of blocks of zeros stay 0, and their weights with them")
    func zeros() throws {
        let student = try Self.student(.q4_0, [.linear, .scales])
        let matrix = try #require(student.matrices.first)
        let masters = try #require(matrix.floats).weights.floats
        for index in 0..<32 { masters[index] = 0 }
        matrix.scales?.masters.floats[0] = 0
        try student.prepare()
        try student.update(Self.gradients(student), by: Self.steps(weights: 0.1, scales: 0.1))
        #expect(matrix.learnedScales?.first == 0 && matrix.values[0..<32].allSatisfy { $0 == 0 })
        #expect(matrix.learnedScales?[1] != 0)
    }

    @Test("are held with codes that half a step of a weight changes, and no less")
    func codes() throws {
        let student = try Self.student(.q4_0, [.linear, .scales])
        try student.holdCodes()
        func codes() -> [[UInt8]] {
            student.matrices.map { $0.blocks.enumerated().filter { $0.offset % 18 > 1 }.map(\.element) }
        }
        let start = codes()
        // The same gradients, so that every step is the rate: four come close, the fifth is beyond.
        for step in 1...4 {
            try student.update(Self.gradients(student), by: Self.steps(weights: 0.12, scales: 0.01, step))
            #expect(codes() == start, "step \(step)")
        }
        try student.update(Self.gradients(student), by: Self.steps(weights: 0.12, scales: 0.01, 5))
        let changed = zip(codes(), start).reduce(0) { $0 + zip($1.0, $1.1).count { $0 != $1 } }
        let bytes = start.reduce(0) { $0 + $1.count }
        // All but pairs of the last codes.
        #expect(changed > bytes * 9 / 10, "\(changed) of \(bytes)")
    }

    @Test("are chosen anew while the model is not quantized yet")
    func unquantized() throws {
        let learned = try Self.student(.q4_0, [.linear, .scales])
        let recomputed = try Self.student(.q4_0, [.linear], scales: .recomputed)
        for student in [learned, recomputed] {
            try student.update(
                Self.gradients(student), by: Self.steps(weights: 1e-3, scales: 1), isQuantized: false)
        }
        for (left, right) in zip(learned.matrices, recomputed.matrices) {
            #expect(Array(left.values) == Array(right.values), "\(left.name)")
            #expect(try Self.scales(left) == Self.nearest(left), "\(left.name)")
            #expect(left.scales?.secondMoments.floats[0] == 0)
        }
    }

    @Test("of NaN are errors that name the tensor")
    func diverged() throws {
        let student = try Self.student(.q4_0, [.scales])
        let error = #expect(throws: CheckpointError.self) {
            try student.update(Self.gradients(student), by: Self.steps(scales: .nan))
        }
        #expect(error?.description.contains(student.matrices[0].source.tensor) == true)
    }

    @Test(
        "that are recomputed: masked gradients leave clipped weights where they are, and move all others",
        arguments: [FakeQuantizeConfig.Gradient.identity, .masked])
    func masked(gradient: FakeQuantizeConfig.Gradient) throws {
        let student = try Self.student(.q4_0, [.linear], scales: .recomputed, gradient: gradient)
        let before = student.matrices.map { $0.values }
        let blocks = student.matrices.map { Array($0.blocks) }
        try student.update(Self.gradients(student), by: Self.steps(weights: 1e-3))
        var stayed = 0
        for (matrix, (before, blocks)) in zip(student.matrices, zip(before, blocks)) {
            for (index, (old, new)) in zip(before, matrix.values).enumerated() {
                let block = index / 32 * 18
                let d = Float(Float16(bitPattern: UInt16(blocks[block]) | UInt16(blocks[block + 1]) << 8))
                let position = old / d
                // Of the boundary itself, d being rounded, nothing is claimed.
                if abs(position - 7.5) < 0.01 { continue }
                let isClipped = position > 7.5 && gradient == .masked
                #expect((old == new) == isClipped, "\(matrix.name), \(index): \(position)")
                stayed += isClipped ? 1 : 0
            }
        }
        #expect(gradient == .identity ? stayed == 0 : stayed > 100)
    }

    @Test("alone lower the loss", arguments: [QuantizationType.q4_0, .q5_0])
    func training(type: QuantizationType) throws {
        let student = try Self.student(type, [.scales])
        let teacher = try LanguageModel(student.checkpoint, compute: student.compute)
        let pass = DistillationPass(teacher: teacher, student: student.quantized)
        let gradients = Gradients(compute: student.compute)
        let size = Int32(student.quantized.vocabularySize)
        let sequences = (0..<4).map { row in
            (0..<32).map { Int32(truncatingIfNeeded: ($0 * 37 + row * 101 + $0 * $0 * 11) % 400) % size }
        }
        var losses: [Double] = []
        for step in 1...40 {
            gradients.reset()
            losses.append(try pass.run(sequences, into: gradients).divergence)
            try student.update(gradients, by: Self.steps(scales: 0.005, step))
        }
        let best = try #require(losses.min())
        #expect(losses[39] < 0.8 * losses[0], "\(losses[0]) to \(losses[39]), best \(best)")
    }
}
