import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("Ties of a student's start")
struct TieTests {
    /// A checkpoint of `source` on a grid of Q5_0: in its blocks, and decoded to F32.
    private static func onGrid(_ source: String, in folder: TemporaryFolder) throws -> (
        blocks: ModelCheckpoint, decoded: ModelCheckpoint
    ) {
        var plan = QuantizationPlan(.q5_0)
        plan.isPure = true
        let (blocks, decoded) = (folder.file("q5_0.gguf"), folder.file("f32.gguf"))
        try Converter(
            ConversionRequest(input: Fixtures.path(source), output: blocks, plan: plan, threads: 1)
        ).run()
        try Converter(
            ConversionRequest(input: blocks, output: decoded, plan: QuantizationPlan(.f32), threads: 1)
        ).run()
        return (try ModelCheckpoint(path: blocks), try ModelCheckpoint(path: decoded))
    }

    private static func student(
        _ checkpoint: ModelCheckpoint, _ dithering: Recipe.Training.Dithering = .automatic, seed: UInt64 = 1,
        threads: Int = 2, type: QuantizationType = .q4_0
    ) throws -> Student {
        var recipe = Recipe.student(type, dither: dithering)
        recipe.train.ditherSeed = seed
        return try Student(
            checkpoint, recipe: recipe, compute: Compute(threads: threads, precision: .f32))
    }

    @Test("of a Q5_0 grid are found, in blocks and decoded, and drawn from within their cells")
    func grid() throws {
        let folder = try TemporaryFolder()
        let (blocks, decoded) = try Self.onGrid("hub/qwen3", in: folder)
        let still = try Self.student(decoded, .never)
        #expect(still.teacherGrid.hasTies && !still.teacherGrid.isDithered)
        for checkpoint in [blocks, decoded] {
            let student = try Self.student(checkpoint)
            #expect(student.teacherGrid.hasTies && student.teacherGrid.isDithered)
            // Half of the codes of Q5_0 are ties of Q4_0, of blocks with the scale that both choose.
            #expect(student.teacherGrid.ties * 10 > student.teacherGrid.sampled)
            for (matrix, other) in zip(student.matrices, still.matrices) {
                let entry = try #require(blocks.tensors.first { $0.role == matrix.role }?.entry)
                let (values, centres) = (Array(matrix.values), Array(other.values))
                let wrong = values.indices.first { index in
                    let block = entry.bytes.loadUnaligned(
                        fromByteOffset: index / 32 * 22, as: UInt16.self)
                    // Half a step of Q5_0 to each side, and the rounding of the sum.
                    let half = abs(Float(Float16(bitPattern: block))) / 2 * 1.0001
                    return !(abs(values[index] - centres[index]) <= half)
                }
                #expect(wrong == nil, "\(matrix.name), \(wrong ?? 0)")
                #expect(zip(values, centres).count { $0.0 != $0.1 } > values.count / 2, "\(matrix.name)")
            }
        }
    }

    @Test("of a dithered start are the same on one thread and on two, and others with another seed")
    func seeds() throws {
        let folder = try TemporaryFolder()
        for checkpoint in [try Self.onGrid("hub/qwen3", in: folder)].flatMap({ [$0.blocks, $0.decoded] }) {
            let one = try Self.student(checkpoint, threads: 1).matrices.map { Array($0.values) }
            let two = try Self.student(checkpoint, threads: 2).matrices.map { Array($0.values) }
            let other = try Self.student(checkpoint, seed: 2).matrices.map { Array($0.values) }
            #expect(one == two)
            for (a, b) in zip(one, other) { #expect(a != b) }
        }
    }

    @Test(
        "of ordinary weights are few for every type, and the start is the teacher's weights",
        arguments: ["hub/qwen3", "hub/gemma3-text", "hub/llama3.expected.gguf"],
        QuantizationType.allCases.filter(\.isGGUF) + [.int4, .sfp8])
    func ordinary(source: String, type: QuantizationType) throws {
        let checkpoint = try ModelCheckpoint(path: Fixtures.path(source))
        let student = try Self.student(checkpoint, type: type)
        #expect((student.teacherGrid.sampled > 0) == (type.format.isQuantized && type != .sfp8))
        #expect(!student.teacherGrid.hasTies && !student.teacherGrid.isDithered)
        for matrix in student.matrices {
            let entry = try #require(checkpoint.tensors.first { $0.role == matrix.role }?.entry)
            #expect(try Array(matrix.values) == entry.floats(), "\(matrix.name)")
        }
        #expect(try Self.student(checkpoint, .always).teacherGrid.isDithered)
    }
}
