import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Logits equal those of transformers")
struct LogitTests {
    /// Largest difference in F32, relative to the largest logit. Sums in another order change the last bits of each
    /// layer; noise of 1e-7 in the weights changes these logits by up to 1.9e-6 (make_logits.py).
    static let f32Bound: Float = 1e-4

    @Test("in F32, from a hub folder", arguments: LogitFixtures.all)
    func hub(fixture: LogitFixtures.Model) throws {
        try compare(fixture, path: fixture.folderPath, threads: 2, bound: Self.f32Bound)
    }

    @Test("in F32, from a GGUF file", arguments: LogitFixtures.all.filter(\.gguf))
    func gguf(fixture: LogitFixtures.Model) throws {
        try compare(fixture, path: try #require(fixture.ggufPath), threads: 2, bound: Self.f32Bound)
    }

    @Test("in F32, on every instruction level", arguments: KernelLevel.available)
    func levels(level: KernelLevel) throws {
        for fixture in LogitFixtures.all {
            try compare(fixture, path: fixture.folderPath, threads: 1, level: level, bound: Self.f32Bound)
        }
    }

    @Test("in F32, from a GGUF file of the project's own making", arguments: LogitFixtures.all)
    func converted(fixture: LogitFixtures.Model) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("model.gguf")
        let request = ConversionRequest(
            input: fixture.folderPath, output: path, plan: QuantizationPlan(.f32), threads: 1)
        try Converter(request).run()
        try compare(fixture, path: path, threads: 1, bound: Self.f32Bound)
    }

    private func compare(
        _ fixture: LogitFixtures.Model, path: String, threads: Int, level: KernelLevel = .best,
        bound: Float
    ) throws {
        let compute = Compute(threads: threads, precision: .f32, level: level)
        let model = try LanguageModel(ModelCheckpoint(path: path), compute: compute)
        let tokens = fixture.tokens.map(Int32.init)
        let expected = fixture.logits
        let largest = expected.joined().reduce(0) { max($0, abs($1)) }
        for (row, position) in fixture.positions.enumerated() {
            let logits = try model.logits(of: tokens, position: position)
            try #require(logits.count == fixture.vocabularySize)
            let difference = zip(logits, expected[row]).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(difference <= bound * largest, "position \(position): \(difference / largest)")
        }
    }
}
