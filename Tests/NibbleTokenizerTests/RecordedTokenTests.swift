import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Tokens equal llama.cpp's")
struct RecordedTokenTests {
    /// A model by its recorded name: a file, or a file with another pre-tokenizer.
    private func tokenizer(_ name: String, _ path: (String) -> String) throws -> Tokenizer {
        let parts = name.split(separator: "/").map(String.init)
        let file = path(parts[0])
        guard parts.count == 2 else { return try Tokenizer(path: file) }
        var vocabulary = try Tokenizer(path: file).vocabulary
        vocabulary.model = .byteLevelBPE(preTokenizer: parts[1])
        return try Tokenizer(vocabulary, path: file)
    }

    private func check(_ tokenizer: Tokenizer, _ model: RecordedTokens.Model, seed: UInt64, size: Int) throws
    {
        for (kind, digests) in model.seeded {
            let text = try SeededTexts.text(kind, seed: seed, size: size)
            for (parses, expected) in [(false, digests.plain), (true, digests.parsed)] {
                guard let expected else { continue }
                let tokens = tokenizer.encode(text, addingSpecial: true, parsingSpecial: parses)
                #expect(RecordedTokens.Digest(tokens) == expected, "\(kind), parsing \(parses)")
            }
        }
    }

    private static let tiny = (try? RecordedTokens().tiny.keys.sorted()) ?? []

    @Test("for the fixtures, on short and on generated texts", arguments: tiny)
    func fixtures(name: String) throws {
        let recorded = try RecordedTokens()
        let model = try #require(recorded.tiny[name])
        let tokenizer = try tokenizer(name) { base in
            ["byte-level", "sentencepiece"].contains(base)
                ? Fixtures.path("tokens/\(base).gguf") : Fixtures.path("hub/\(base).expected.gguf")
        }
        for (text, expected) in zip(recorded.shortTexts, model.texts ?? []) {
            guard let plain = expected.plain else { continue }
            #expect(tokenizer.encode(text, addingSpecial: true, parsingSpecial: false) == plain, "\(text)")
            let parsed = expected.parsed ?? plain
            #expect(tokenizer.encode(text, addingSpecial: true, parsingSpecial: true) == parsed, "\(text)")
        }
        try check(tokenizer, model, seed: recorded.seed, size: recorded.tinySize)
    }

    @Test(
        "for hub folders, which give the tokens of the GGUF file made from them", arguments: Fixtures.hubNames
    )
    func hubFolders(name: String) throws {
        let recorded = try RecordedTokens()
        let ours = try Tokenizer(ModelCheckpoint(path: Fixtures.path("hub/" + name)))
        let theirs = try Tokenizer(ModelCheckpoint(path: Fixtures.path("hub/\(name).expected.gguf")))
        for text in recorded.shortTexts {
            for parses in [false, true] {
                #expect(
                    ours.encode(text, addingSpecial: true, parsingSpecial: parses)
                        == theirs.encode(text, addingSpecial: true, parsingSpecial: parses))
            }
        }
        #expect(ours.endsOfGeneration == theirs.endsOfGeneration)
    }

    private static let real = (try? RecordedTokens().real.keys.sorted()) ?? []

    @Test(
        "for the real models, on 1 MB of each kind of text",
        .enabled(if: RealModels.folder != nil, Comment(rawValue: RealModels.hint)), arguments: real)
    func realModels(name: String) throws {
        let recorded = try RecordedTokens()
        let model = try #require(recorded.real[name])
        let tokenizer = try tokenizer(name) { RealModels.source($0) }
        for (text, expected) in zip(recorded.shortTexts, model.texts ?? []) {
            guard let plain = expected.plain else { continue }
            #expect(tokenizer.encode(text, addingSpecial: true, parsingSpecial: false) == plain, "\(text)")
            let parsed = expected.parsed ?? plain
            #expect(tokenizer.encode(text, addingSpecial: true, parsingSpecial: true) == parsed, "\(text)")
        }
        try check(tokenizer, model, seed: recorded.seed, size: recorded.realSize)
    }

    @Test(
        "for the real models, as to what ends a generation",
        .enabled(if: RealModels.folder != nil, Comment(rawValue: RealModels.hint)))
    func realEnds() throws {
        // Printed by llama-tokenize -lv 5 as EOG tokens; </s> is a tag of HTML in Gemma's vocabulary.
        let gemma = try Tokenizer(path: RealModels.source("gemma-3-270m"))
        #expect(gemma.endsOfGeneration == [1, 106, 212])
        #expect(gemma.beginning == 2 && gemma.end == 1 && gemma.endOfTurn == 106)
        #expect(gemma.addsBeginning && !gemma.addsEnd && gemma.vocabularySize == 262_144)
        let smollm = try Tokenizer(path: RealModels.source("smollm2-135m"))
        #expect(smollm.endsOfGeneration == [0, 2, 4])
        #expect(smollm.beginning == 1 && smollm.end == 2 && !smollm.addsBeginning && !smollm.addsEnd)
    }
}
