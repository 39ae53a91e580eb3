import NibbleCalibration
import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleTraining

@Suite("Texts of a run", .serialized)
struct TrainingTextsTests {
    private static func request(
        _ folder: TemporaryFolder, _ texts: [String], mixture: [Recipe.Training.Share], output: String = "run"
    ) throws -> TrainingRequest {
        var request = try TeacherTrainingTests.request(output, folder)
        request.texts = texts
        request.recipe.train.mixture = mixture
        return request
    }

    private static let english = Fixtures.path("texts/english.txt")
    private static let code = Fixtures.path("texts/code.txt")

    @Test(
        "A mixture takes its shares for steps, calibration and what is held out, and is resumed to the same bits"
    )
    func mixture() throws {
        let folder = try TemporaryFolder()
        let texts = ["prose=" + Self.english, "code=" + Self.code]
        let mixture = [Recipe.Training.Share("code", 3), .init("prose", 1)]
        var whole = try Self.request(folder, texts, mixture: mixture)
        whole.recipe.evaluation.chunks = 4
        whole.recipe.teacher.kind = .cached
        do {
            let run = try Trainer(whole).prepare()
            let kinds = run.batches.text.kinds
            #expect(kinds.map(\.name) == ["code", "prose"])
            let tokenizer = try Tokenizer(path: whole.teacher)
            let alone = try TokenSequences(paths: [Self.code], tokenizer: tokenizer, sequenceLength: 32)
            // Of four that are held out three are code.
            #expect(kinds[0].sequences.count == alone.sequenceCount - 3)
            let used = (0..<4).flatMap { run.batches.indices(step: $0) }
            #expect(used.count { kinds[0].sequences.contains($0) } == 6)
            _ = try run.train()
        }
        var parts = try Self.request(folder, texts, mixture: mixture, output: "parts")
        parts.recipe = whole.recipe
        var steps = 0
        let stopped = try Trainer(parts).prepare().train(
            progress: { if $0.step == 2 { steps += 1 } }, isCancelled: { steps > 0 })
        #expect(stopped.ending == .interrupted)
        parts.resumes = true
        _ = try Trainer(parts).prepare().train()
        #expect(try TeacherTrainingTests.state(parts) == TeacherTrainingTests.state(whole))
    }

    @Test("Text that the teacher writes is a kind of its own, called self")
    func own() throws {
        let folder = try TemporaryFolder()
        var request = try Self.request(
            folder, ["prose=" + Self.english], mixture: [.init("self", 1), .init("prose", 1)])
        request.selfSequences = 100
        request.recipe.calibration.sequences = 16
        request.recipe.evaluation.chunks = 4
        let run = try Trainer(request).prepare()
        let own = run.batches.text.kinds[0].sequences
        #expect(run.batches.text.kinds[0].name == "self")
        // Half of the 16 that calibration takes, and half of the 4 that are held out, were written.
        #expect(own.count == 8)
        #expect((0..<4).flatMap { run.batches.indices(step: $0) }.count { own.contains($0) } == 4)
    }

    @Test("Without a mixture names are of no account, which is noted")
    func names() throws {
        let folder = try TemporaryFolder()
        let named = try Trainer(
            try Self.request(folder, ["a=" + Self.english, "b=" + Self.code], mixture: []))
        let plain = try Trainer(try Self.request(folder, [Self.english, Self.code], mixture: []))
        let tokenizer = try Tokenizer(path: named.request.teacher)
        let (left, right) = (
            try named.texts.read(tokenizer, generated: []), try plain.texts.read(tokenizer, generated: [])
        )
        #expect(left.training.digest == right.training.digest)
        #expect(left.heldOut?.digest == right.heldOut?.digest)
        let note = "train.mixture has no shares, so that the names of texts are of no account: 'a', 'b'"
        #expect(try named.prepare().notes.contains(note))
    }

    @Test("What a mixture lacks, and what has no share in it, is named before anything is computed")
    func errors() throws {
        let folder = try TemporaryFolder()
        let mixture = [Recipe.Training.Share("code", 1), .init("prose", 1)]
        func error(_ texts: [String], own: Bool = false, _ mixture: [Recipe.Training.Share]) throws -> String
        {
            var request = try Self.request(folder, texts, mixture: mixture)
            if own { request.selfSequences = 4 }
            return try #require(#expect(throws: TextError.self) { try Trainer(request) }).description
        }
        let (english, code) = (Self.english, Self.code)
        #expect(
            try error(["code=" + code, english], mixture)
                == "\(english): has no name, and train.mixture has shares by name: code, prose; "
                + "name it, as --text code=\(english)")
        #expect(
            try error(["code=" + code, "prosa=" + english], mixture)
                == "\(english): is called 'prosa', of which train.mixture has no share; did you mean 'prose'?"
        )
        #expect(
            try error(["code=" + code], mixture)
                == "train.mixture: has a share of 'prose', and no text is called so; name it, as --text prose=PATH"
        )
        // Not under a name that is taken.
        #expect(
            try error([english], own: true, [.init("self", 1), .init("prose", 1)])
                .hasSuffix("name it, as --text prose=\(english)"))
        #expect(
            try error(["code=" + code, "prose=" + english], own: true, mixture)
                .hasPrefix("train.mixture: has no share of 'self', text that the teacher writes"))
        #expect(
            try error(["code=" + code], [.init("code", 1), .init("self", 1)]).hasSuffix("; add --text self"))
        #expect(
            try error(["self=" + code], own: true, [.init("self", 1)])
                .hasPrefix("\(code): is called 'self', as text that the teacher writes is"))
        let missing = try Self.request(folder, ["code=" + code, "prose=/nowhere"], mixture: mixture)
        #expect(throws: CheckpointError.self) { try Trainer(missing) }
    }

    @Test(
        "64 sequences are held out, or an eighth of the text; so that as many are written beside those trained on"
    )
    func heldOut() throws {
        var evaluation = Recipe.Evaluation()
        #expect(
            [1, 15, 16, 400, 511, 512, 9_999].map { evaluation.count(takenFrom: $0) } == [
                1, 1, 2, 50, 63, 64, 64,
            ])
        for trained in [1, 7, 20, 256, 447, 448, 5_000] {
            let written = evaluation.count(beside: trained)
            #expect(evaluation.count(takenFrom: trained + written) == written)
        }
        let shares = try #require(TextShares([1, 1]))
        func text(_ few: Int) throws -> TokenSequences {
            func kind(_ count: Int) throws -> TokenSequences {
                try TokenSequences(
                    stream: [Int32](repeating: 1, count: 2 * count), beginning: nil, sequenceLength: 2,
                    name: "a")
            }
            return TokenSequences(kinds: [("few", try kind(few)), ("many", try kind(10_000))])
        }
        // An eighth of the smaller kind.
        for (few, expected) in [(2, 1), (20, 5), (40, 10), (256, 64), (300, 64)] {
            #expect(try evaluation.count(takenFrom: text(few), shares: shares) == expected)
        }
        #expect(try evaluation.count(takenFrom: text(20), shares: nil) == 64)
        #expect(try text(20).heldOut(sequences: 5, shares: shares).rest.kinds[0].sequences.count == 17)
        evaluation.chunks = 8
        #expect(evaluation.count(takenFrom: 10) == 8 && evaluation.count(beside: 10) == 8)
    }
}
