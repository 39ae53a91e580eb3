import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleTraining

@Suite(
    "A cached teacher of a real model", .serialized,
    .enabled(if: RealModels.folder != nil && RealModels.text != nil, "\(RealModels.textHint)"))
struct RealTeacherTests {
    private static let (length, count) = (128, 4)

    /// The norm of `found` relative to `expected`, and the cosine between them.
    private static func compare(_ found: Gradients, _ expected: Gradients, _ parameters: [Parameter]) throws
        -> (
            norm: Double, cosine: Double
        )
    {
        var (own, other, product) = (0.0, 0.0, 0.0)
        for parameter in parameters {
            let (a, b) = (try #require(found[parameter]), try #require(expected[parameter]))
            for index in a.indices {
                let (x, y) = (Double(a[index]), Double(b[index]))
                own += x * x
                other += y * y
                product += x * y
            }
        }
        return ((own / other).squareRoot(), product / (own * other).squareRoot())
    }

    @Test("has a gradient that nears the full one as more is kept: docs/qat-teacher.md")
    func gradient() throws {
        let checkpoint = try ModelCheckpoint(path: RealModels.bf16("gemma-3-270m.dithered"))
        let precision: Precision = Precision.bf16.isSupported ? .bf16 : .f32
        let compute = Compute(threads: 2, precision: precision)
        let teacher = try LanguageModel(checkpoint, compute: compute)
        let student = try Student(checkpoint, recipe: .student(), compute: compute)
        let text = try TokenSequences(
            paths: [try #require(RealModels.text)], tokenizer: Tokenizer(checkpoint),
            sequenceLength: Self.length)
        let indices = (0..<Self.count).map { (2 * $0 + 1) * text.sequenceCount / (2 * Self.count) }
        let sequences = indices.map(text.sequence)
        let pass = DistillationPass(teacher: teacher, student: student.quantized)
        let full = Gradients(compute: compute)
        let expected = try pass.run(sequences, into: full)
        print("| k | bytes a token | mean tail | divergence | norm | cosine |\n|---|---|---|---|---|---|")
        var last = (tail: 1.0, divergence: 0.0, angle: 1.0)
        for top in [16, 64, 256, 1024] {
            let identity = TeacherCacheIdentity(
                teacherDigest: "", textDigest: "", temperature: 1, top: top,
                vocabularySize: teacher.vocabularySize, sequenceLength: Self.length,
                sequenceCount: Self.count, seed: nil)
            let folder = try TemporaryFolder()
            let cache = try TeacherCacheBuilder(teacher, identity: identity).open(
                path: folder.file("cache"), sequence: { sequences[$0] })
            var cached = TeacherProbabilities(top: top)
            for block in 0..<Self.count { cached.append(try cache.probabilities(block: block)) }
            let tail = cached.tails.reduce(0.0) { $0 + Double($1) } / Double(cached.count)
            let gradients = Gradients(compute: compute)
            let result = try pass.run(sequences, cached: cached, into: gradients)
            let (norm, cosine) = try Self.compare(gradients, full, student.parameters)
            let share = result.divergence / expected.divergence
            print(
                "| \(top) | \(identity.bytesPerToken) | \(tail) | \(share) | \(norm) | \(cosine) |")
            #expect(tail < last.tail && share > last.divergence && 1 - cosine < last.angle)
            last = (tail, share, 1 - cosine)
        }
        #expect(last.angle < 0.001 && last.divergence < 1.001)
    }
}
