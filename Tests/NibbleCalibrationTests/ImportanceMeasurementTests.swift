import Foundation
import NibbleCheckpoint
import NibbleEvaluation
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration

@Suite("Measuring an importance matrix")
struct ImportanceMeasurementTests {
    private static let text = Fixtures.path("texts/english.txt")

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func request(
        _ output: String, model: String = "hub/llama3", texts: [String] = [text]
    ) -> ImportanceRequest {
        var request = ImportanceRequest(
            model: Fixtures.path(model), texts: texts, output: folder.file(output), threads: 2)
        request.evaluation.context = 32
        request.evaluation.precision = .f32
        request.evaluation.chunkLimit = 40
        return request
    }

    private func run(_ request: ImportanceRequest) throws -> ImportanceMatrix {
        try ImportanceMeasurement(request).run().matrix
    }

    private func contents(_ name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: folder.file(name)))
    }

    @Test("has the mean squares of all chunks, which begin with BOS")
    func means() throws {
        let request = request("a.gguf")
        let found = try run(request)
        let evaluator = try Evaluator(request.evaluation)
        let expected = try ImportanceMatrix(
            measuring: evaluator.models[0], sequences: evaluator.plans[0].plan.map(\.tokens))
        #expect(found.weights == expected.weights)
        #expect(found.chunkCount == 40 && found.chunkSize == 32 && found.datasets == [Self.text])
        #expect(found.counts.values.allSatisfy { $0 == [1280] })
        let read = try ImportanceMatrix(path: folder.file("a.gguf"))
        #expect(read.counts == found.counts && read.chunkCount == 40)
        for (name, weights) in found.weights {
            let others = try #require(read.weights[name])
            #expect(zip(weights, others).allSatisfy { abs($0 - $1) <= 1e-6 * $0 }, "\(name)")
        }
    }

    @Test("goes on after a stop, to the same bytes", arguments: [0, 1])
    func resumption(passes: Int) throws {
        _ = try run(request("whole.gguf"))
        var stopped = request("part.gguf")
        stopped.evaluation.chunkLimit = 48
        var whole = request("part-whole.gguf")
        whole.evaluation.chunkLimit = 48
        _ = try run(whole)
        var done = 0
        let error = #expect(throws: CheckpointError.self) {
            _ = try ImportanceMeasurement(stopped).run(
                progress: { _ in done += 1 }, isCancelled: { done > passes - 1 })
        }
        #expect(error?.code == .cancelled)
        #expect(!FileManager.default.fileExists(atPath: folder.file("part.gguf")))
        #expect(FileManager.default.fileExists(atPath: folder.file("part.gguf.partial")))
        let result = try ImportanceMeasurement(stopped).run()
        #expect(result.progress.resumed == (passes == 0 ? 0 : 32))
        #expect(!FileManager.default.fileExists(atPath: folder.file("part.gguf.partial")))
        #expect(try contents("part.gguf") == contents("part-whole.gguf"))
    }

    @Test("does not go on from sums of another text, or of other settings")
    func foreignState() throws {
        var first = request("a.gguf")
        _ = #expect(throws: CheckpointError.self) {
            _ = try ImportanceMeasurement(first).run(isCancelled: { true })
        }
        first.evaluation.chunkLimit = 39
        let error = #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(first).run() }
        #expect(error?.code == .inconsistent && error?.problem.contains("begun with text") == true)
    }

    @Test("of two halves put together is that of the whole", arguments: ["gguf", "dat"])
    func halves(ending: String) throws {
        let whole = try run(request("whole.gguf"))
        var first = request("first.\(ending)")
        first.evaluation.chunkLimit = 10
        _ = try run(first)
        var second = request("second.gguf")
        second.skippedChunks = 10
        second.added = [folder.file("first.\(ending)")]
        let found = try run(second)
        #expect(found.chunkCount == 40 && found.datasets == [Self.text, Self.text])
        #expect(found.counts == whole.counts)
        for (name, weights) in whole.weights {
            let others = try #require(found.weights[name])
            #expect(zip(weights, others).allSatisfy { abs($0 - $1) <= 2e-6 * $0 }, "\(name)")
        }
    }

    @Test("of conversations takes each as long as it is")
    func conversations() throws {
        let lines = (1...3).map { index in
            let text = Array(repeating: "word", count: 4 * index).joined(separator: " ")
            return
                #"{"messages": [{"role": "user", "content": "\#(text)"}, {"role": "assistant", "content": "yes"}]}"#
        }
        let path = folder.file("chats.jsonl")
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: path))
        var request = request("a.gguf", model: "hub/gemma3-text", texts: [path])
        request.evaluation.context = 64
        let result = try ImportanceMeasurement(request).run()
        #expect(result.progress.total == 3)
        let tokens = try #require(result.matrix.counts.values.first?.first)
        #expect(tokens > 3 && tokens < 3 * 64)
    }

    @Test("of the head is there where it is asked for, and is a matrix of its own")
    func head() throws {
        var own = request("own.gguf")
        own.includesHead = true
        let found = try run(own)
        let model = try LanguageModel(
            ModelCheckpoint(path: own.evaluation.models[0]), compute: Compute(threads: 1, precision: .f32))
        let weights = try #require(found.weights["output.weight"])
        #expect(weights.count == model.configuration.embeddingLength && weights.allSatisfy { $0 > 0 })
        #expect(try run(request("without.gguf")).weights["output.weight"] == nil)
        var tied = request("tied.gguf", model: "hub/gemma3-text")
        tied.includesHead = true
        #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(tied) }
    }

    @Test("refuses what does not fit, before it measures")
    func refused() throws {
        _ = try run(request("a.gguf"))
        #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(request("a.gguf")) }
        var other = request("b.gguf")
        other.added = [Fixtures.path("imatrix/gemma3-text.gguf")]
        let error = #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(other) }
        #expect(error?.code == .inconsistent)
        var all = request("b.gguf")
        all.skippedChunks = 40
        #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(all) }
    }

    @Test("leaves no number unnamed that is none")
    func notFinite() throws {
        let model = folder.file("model")
        try FileManager.default.copyItem(
            atPath: Fixtures.path("hub/llama3.expected.gguf"), toPath: model + ".gguf")
        let file = try GGUFFile(path: model + ".gguf")
        let tensor = try #require(file.tensors.first { $0.name == "blk.0.ffn_up.weight" })
        let handle = try FileHandle(forUpdating: URL(filePath: model + ".gguf"))
        try handle.seek(toOffset: UInt64(tensor.range.lowerBound))
        handle.write(Data([0x80, 0x7F]))  // BF16 infinity
        try handle.close()
        var request = request("a.gguf")
        request.evaluation.models = [model + ".gguf"]
        // All that comes after it is no number either.
        let error = #expect(throws: CheckpointError.self) { _ = try ImportanceMeasurement(request).run() }
        #expect(error?.code == .invalidValue)
        #expect(error?.subject?.contains("blk.0.ffn_down.weight") == true, "\(String(describing: error))")
        #expect(!FileManager.default.fileExists(atPath: folder.file("a.gguf")))
    }
}
