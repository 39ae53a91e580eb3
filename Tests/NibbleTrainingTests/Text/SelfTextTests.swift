import Foundation
import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import NibbleTraining
import Testing

@Suite("Text that the teacher writes", .serialized)
struct SelfTextTests {
    /// 64 sequences are drawn together.
    static let text = SelfText(teacherDigest: "t1", sequenceCount: 72, sequenceLength: 32, seed: 3)

    /// Gemma 3 adds BOS, Qwen 3 does not.
    static let models = ["gemma3-text", "qwen3"]

    static func tokens(
        _ path: String, model: String = "gemma3-text", text: SelfText = text, threads: Int = 2,
        progress: (Int) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> [Int32] {
        let checkpoint = try ModelCheckpoint(path: Fixtures.path("hub/" + model))
        return try text.tokens(
            path: path,
            teacher: try LanguageModel(checkpoint, compute: Compute(threads: threads, precision: .f32)),
            tokenizer: try Tokenizer(checkpoint), progress: progress, isCancelled: isCancelled)
    }

    @Test("fills sequences that differ, without control tokens", arguments: models)
    func sequences(model: String) throws {
        let folder = try TemporaryFolder()
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/" + model))
        let length = tokenizer.addsBeginning ? 31 : 32
        let tokens = try Self.tokens(folder.file("text"), model: model)
        #expect(tokens.count == 72 * length)
        let kinds = tokenizer.vocabulary.kinds
        #expect(tokens.allSatisfy { Int($0) < kinds.count && kinds[Int($0)] != .control })
        #expect(tokens.allSatisfy { !tokenizer.endsOfGeneration.contains($0) })
        let sequences = (0..<72).map { Array(tokens[$0 * length..<($0 + 1) * length]) }
        // The small model is sure of some of its sequences.
        #expect(Set(sequences).count > 54)
        let text = try TokenSequences(
            paths: [], tokenizer: tokenizer, sequenceLength: 32, generated: tokens)
        #expect(text.sequenceCount == 72)
        #expect(text.sequence(71).suffix(length) == sequences[71][...])
        #expect(text.beginning == (length == 31 ? tokenizer.beginning : nil))
    }

    @Test("follows the probabilities of the teacher")
    func probabilities() throws {
        let folder = try TemporaryFolder()
        // The first token behind BOS of 4 000 sequences.
        let text = SelfText(teacherDigest: "t1", sequenceCount: 4_000, sequenceLength: 2, seed: 1)
        let tokens = try Self.tokens(folder.file("text"), text: text)
        let checkpoint = try ModelCheckpoint(path: Fixtures.path("hub/gemma3-text"))
        let model = try LanguageModel(checkpoint, compute: Compute(threads: 1, precision: .f32))
        let tokenizer = try Tokenizer(checkpoint)
        var weights = try model.logits(of: [try #require(tokenizer.beginning)], position: 0).map {
            exp(Double($0))
        }
        for (token, kind) in tokenizer.vocabulary.kinds.enumerated()
        where kind == .control || tokenizer.endsOfGeneration.contains(Int32(token)) {
            weights[token] = 0
        }
        let sum = weights.reduce(0, +)
        for part in 0..<8 {
            let range = part * weights.count / 8..<(part + 1) * weights.count / 8
            let expected = weights[range].reduce(0, +) / sum
            let found = Double(tokens.count { range.contains(Int($0)) }) / 4_000
            // Five standard errors.
            #expect(abs(found - expected) <= 5 * (expected * (1 - expected) / 4_000).squareRoot(), "\(part)")
        }
    }

    @Test("is the same on any number of threads and when it is read again; another seed gives another")
    func seeds() throws {
        let folder = try TemporaryFolder()
        let first = try Self.tokens(folder.file("a"), threads: 1)
        #expect(try Self.tokens(folder.file("b"), threads: 3) == first)
        #expect(try contents(folder.file("a")) == contents(folder.file("b")))
        #expect(try Self.tokens(folder.file("a"), isCancelled: { true }) == first)
        var other = Self.text
        other.seed = 4
        #expect(try Self.tokens(folder.file("c"), text: other) != first)
        let error = #expect(throws: CheckpointError.self) { try Self.tokens(folder.file("a"), text: other) }
        #expect(error?.code == .inconsistent && error?.problem.contains("another seed (3, now 4)") == true)
    }

    @Test("goes on after a stop and after a kill, to the same bytes")
    func interrupted() async throws {
        let folder = try TemporaryFolder()
        _ = try Self.tokens(folder.file("whole"))
        var asked = 0
        let error = #expect(throws: CheckpointError.self) {
            try Self.tokens(
                folder.file("stopped"),
                isCancelled: {
                    asked += 1
                    return asked > 40
                })
        }
        #expect(error?.code == .cancelled && error?.problem.contains("after 64 of 72") == true)
        var first: Int?
        _ = try Self.tokens(folder.file("stopped")) { if first == nil { first = $0 } }
        #expect(first == 64 * 31)
        #expect(try contents(folder.file("stopped")) == contents(folder.file("whole")))
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.file("killed") as String] in
            _ = try SelfTextTests.tokens(path) { if $0 > 65 * 31 { kill(getpid(), SIGKILL) } }
        }
        #expect(try folder.names.contains("killed.part"))
        _ = try Self.tokens(folder.file("killed"))
        #expect(try contents(folder.file("killed")) == contents(folder.file("whole")))
    }

    @Test("stands before text from files")
    func mixed() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("This is a text of its own, of some words.".utf8, to: "a.txt")
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/gemma3-text"))
        let file = tokenizer.encode(
            "This is a text of its own, of some words.", addingSpecial: false, parsingSpecial: false)
        let text = try TokenSequences(
            paths: [path], tokenizer: tokenizer, sequenceLength: 4, generated: [11, 12, 13])
        #expect(text.sequence(0).dropFirst() == [11, 12, 13])
        #expect(text.sequence(1).dropFirst() == file[..<3])
    }
}
