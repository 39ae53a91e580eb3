import Foundation
import NibbleCheckpoint
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleEvaluation

@Suite("Texts of documents")
struct EvaluationTextTests {
    @Test("A folder is what its files are one after the other, and NAME=PATH the same by another name")
    func folder() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("kind")
        let parts = try ["english", "code"].map { try String(contentsOfFile: textFile($0), encoding: .utf8) }
        _ = try folder.write(parts[0].utf8, to: "kind/a.txt")
        // Its missing newline is made up for.
        _ = try folder.write(parts[1].trimmingCharacters(in: .newlines).utf8, to: "kind/b.md")
        _ = try folder.write(parts[0].utf8, to: "kind/c.txt")
        let second = parts[1].trimmingCharacters(in: .newlines) + "\n"
        let whole = try folder.write((parts[0] + second + parts[0]).utf8, to: "whole.txt")
        let kind = folder.file("kind")
        let one = try evaluate(request([hubFile("llama3")], texts: [whole], precision: .f32)).texts[0]
        let named = try evaluate(
            request([hubFile("llama3")], texts: ["a=\(kind)"], precision: .f32)
        ).texts[0]
        let unnamed = try evaluate(request([hubFile("llama3")], texts: [kind], precision: .f32)).texts[0]
        #expect(named.name == "a")
        #expect(unnamed.name == kind)
        for text in [named, unnamed] {
            #expect(text.estimates == one.estimates)
            #expect(text.chunksDone == one.chunksDone)
            #expect(text.documents.map(\.name) == ["a.txt", "b.md", "c.txt"].map { kind + "/" + $0 })
            #expect(text.documents.allSatisfy { $0.sums[0].count > 0 })
            #expect(text.documents.reduce(0) { $0 + $1.sums[0].count } == one.estimates[0].count)
            let sum = text.documents.reduce(0) { $0 + $1.sums[0].negativeLogLikelihood }
            #expect(isNear(sum / Double(one.estimates[0].count), one.estimates[0].mean, within: 1e-12))
        }
        #expect(one.documents.count == 1)
    }

    @Test("Lines of JSON are documents")
    func lines() throws {
        let folder = try TemporaryFolder()
        let text = try String(contentsOfFile: textFile("english"), encoding: .utf8)
        let line = try #require(
            String(data: JSONSerialization.data(withJSONObject: ["text": text]), encoding: .utf8))
        let path = try folder.write("\(line)\n\n\(line)\n".utf8, to: "two.jsonl")
        let found = try evaluate(request([hubFile("llama3")], texts: [path])).texts[0]
        #expect(found.documents.map(\.name) == ["\(path):1", "\(path):2"])
        #expect(found.documents.map(\.sums[0].count).allSatisfy { $0 > 0 })
    }

    @Test("A chunk belongs to the document that the middle of its scored tokens is in")
    func places() throws {
        let plan = try ChunkPlan(tokens: Array(repeating: 1, count: 100), context: 10, bos: nil)
        // Scored are positions 5 to 8 of each chunk, their middle is 7.
        let places = DocumentPlaces(starts: [0, 27, 28, 60])
        #expect(
            plan.indices.map { places.document(ofChunk: $0, of: plan) } == [0, 0, 1, 2, 2, 2, 3, 3, 3, 3])
        #expect(places.count == 4)
    }

    @Test("What is no text is named")
    func errors() throws {
        let folder = try TemporaryFolder()
        func error(_ text: String) throws -> CheckpointError {
            try #require(
                #expect(throws: CheckpointError.self) {
                    try evaluate(request([hubFile("llama3")], texts: [text]))
                })
        }
        #expect(try error(folder.path).description.contains("holds no text"))
        let wrong = try folder.write("{\"body\": \"x\"}\n".utf8, to: "wrong.jsonl")
        let found = try error("chat=" + wrong)
        #expect(found.path == wrong)
        #expect(found.description.contains("line 1") && found.description.contains("has no field 'text'"))
        let missing = folder.file("none.txt")
        #expect(try error("kind=" + missing).path == missing)
    }
}
