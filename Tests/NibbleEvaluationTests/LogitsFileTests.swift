import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleEvaluation

@Suite("Files of logits")
struct LogitsFileTests {
    private static let path = RecordedDivergence.logits

    /// Writes what `reader` holds, each record in slices of `slice` codes, on several threads.
    private func copy(_ reader: LogitsFileReader, to path: String, slice: Int) throws {
        let writer = try LogitsFileWriter(
            path: path, plan: reader.plan(bos: nil), vocabularySize: reader.vocabularySize, replacing: false)
        DispatchQueue.concurrentPerform(iterations: reader.chunkCount) { number in
            // Backwards, because the order is free.
            let chunk = reader.chunkCount - 1 - number
            do {
                for index in (0..<reader.scoredPerChunk).reversed() {
                    let record = try reader.record(chunk: chunk, index: index)
                    for start in stride(from: 0, to: record.codes.count, by: slice) {
                        let end = min(start + slice, record.codes.count)
                        try writer.writeCodes(
                            chunk: chunk, index: index, firstToken: start,
                            codes: UnsafeBufferPointer(rebasing: record.codes[start..<end]))
                    }
                    try writer.setParameters(
                        chunk: chunk, index: index, scale: record.scale, minimum: record.minimum)
                }
            } catch {
                Issue.record(error)
            }
        }
        try writer.commit()
    }

    @Test("A file of llama-perplexity is read: chunks, tokens, records")
    func read() throws {
        let recorded = try RecordedDivergence.read()
        let reader = try LogitsFileReader(path: Self.path)
        #expect(reader.context == 24)
        #expect(reader.vocabularySize == 401)
        #expect(reader.chunkCount == 10)
        #expect(reader.scoredPerChunk == 11)
        #expect(reader.tokens.count == 240)
        let plan = try reader.plan(bos: 1)
        #expect(plan.count == 10)
        #expect(plan.count * plan.scored.count == recorded.records.count)
        for (number, chunk) in plan.enumerated() {
            #expect(chunk.tokens.first == 1)
            reader.prefetch(chunk: number)
            for (index, expected) in recorded.records(chunk: number).enumerated() {
                let record = try reader.record(chunk: number, index: index)
                let nll = -record.logProbability(of: Int(chunk.targets[index]))
                // llama.cpp may fuse multiplication and addition: one rounding of a number below 8.
                #expect(abs(Double(nll) - expected.token.baseNll) <= 5e-7)
                // 401 probabilities with errors of half a step each.
                let total = record.codes.indices.reduce(0.0) {
                    $0 + exp(Double(record.logProbability(of: $1)))
                }
                #expect(abs(total - 1) < 1e-4)
            }
            reader.release(chunk: number)
        }
    }

    @Test("What is written is byte for byte what llama-perplexity wrote", arguments: [1, 64, 400, 401])
    func roundTrip(slice: Int) throws {
        let folder = try TemporaryFolder()
        try copy(try LogitsFileReader(path: Self.path), to: folder.file("copy.logits"), slice: slice)
        // The padding of an odd vocabulary is zero in both.
        #expect(try contents(folder.file("copy.logits")) == contents(Self.path))
        #expect(try folder.names == ["copy.logits"])
    }

    @Test("Decoded logits encode to the codes they came from")
    func reencode() throws {
        let reader = try LogitsFileReader(path: Self.path)
        let record = try reader.record(chunk: 3, index: 5)
        let logits = record.codes.indices.map { record.logProbability(of: $0) }
        let encoding = try logits.withUnsafeBufferPointer { try LogitsEncoding($0) }
        #expect(abs(encoding.scale / record.scale - 1) < 1e-6)
        #expect(abs(encoding.minimum - record.minimum) < 1e-4)
        for (logit, code) in zip(logits, record.codes) {
            // The logits were rounded to Float before they were encoded again.
            #expect(abs(Int(encoding.code(of: logit)) - Int(code)) <= 1)
        }
    }

    @Test("An even vocabulary has no padding; the size is known before")
    func even() throws {
        let folder = try TemporaryFolder()
        let plan = try ChunkPlan(tokens: [1, 2, 3, 0, 1, 2, 3, 0], context: 4, bos: 0)
        let writer = try LogitsFileWriter(
            path: folder.file("a"), plan: plan, vocabularySize: 4, replacing: false)
        // 20 + 4 · 8 tokens + 2 records of 8 + 2 · 4
        #expect(writer.fileSize == 20 + 32 + 32)
        for chunk in 0..<2 {
            try writer.setParameters(chunk: chunk, index: 0, scale: 0.5, minimum: -2)
            try ([0, 1, 2, 3] as [UInt16]).withUnsafeBufferPointer {
                try writer.writeCodes(chunk: chunk, index: 0, firstToken: 0, codes: $0)
            }
        }
        try writer.commit()
        let reader = try LogitsFileReader(path: folder.file("a"))
        #expect(reader.tokens == plan.tokens)
        #expect(try reader.plan(bos: 0).map(\.tokens) == [[0, 2, 3, 0], [0, 2, 3, 0]])
        #expect(try reader.record(chunk: 1, index: 0).logProbability(of: 3) == -0.5)
    }

    @Test("Nothing is left of a file that is not committed, and an existing one stays")
    func abort() throws {
        let folder = try TemporaryFolder()
        let plan = try ChunkPlan(tokens: [Int32](repeating: 0, count: 8), context: 4, bos: 0)
        try folder.write([1, 2], to: "b")
        func writer(replacing: Bool) throws(CheckpointError) -> LogitsFileWriter {
            try LogitsFileWriter(path: folder.file("b"), plan: plan, vocabularySize: 4, replacing: replacing)
        }
        let error = #expect(throws: CheckpointError.self) { _ = try writer(replacing: false) }
        #expect(error?.code == .invalidRequest)
        do {
            let first = try writer(replacing: true)
            #expect(try folder.names.count == 2)
            first.abort()
            #expect(try folder.names == ["b"])
            _ = try writer(replacing: true)
        }
        #expect(try folder.names == ["b"])
        #expect(try contents(folder.file("b")) == [1, 2])
    }

    @Test("A file that the disk has no room for is not begun")
    func space() throws {
        let folder = try TemporaryFolder()
        let plan = try ChunkPlan(tokens: [Int32](repeating: 0, count: 400_000), context: 512, bos: 0)
        let error = #expect(throws: CheckpointError.self) {
            _ = try LogitsFileWriter(
                path: folder.file("c"), plan: plan, vocabularySize: 1 << 30, replacing: false)
        }
        #expect(error?.code == .inputOutput)
        #expect(error?.description.contains("free") == true)
        #expect(try folder.names.isEmpty)
    }

    @Test("Chunks with a stride are refused")
    func strided() throws {
        let folder = try TemporaryFolder()
        let plan = try ChunkPlan(tokens: [Int32](repeating: 0, count: 600), context: 200, stride: 16, bos: 0)
        let error = #expect(throws: CheckpointError.self) {
            _ = try LogitsFileWriter(
                path: folder.file("d"), plan: plan, vocabularySize: 4, replacing: false)
        }
        #expect(error?.code == .invalidRequest)
    }

    @Test("Committing with records missing is a programmer's error")
    func incomplete() async {
        await #expect(processExitsWith: .failure) {
            let folder = try TemporaryFolder()
            let plan = try ChunkPlan(tokens: [Int32](repeating: 0, count: 8), context: 4, bos: 0)
            let writer = try LogitsFileWriter(
                path: folder.file("e"), plan: plan, vocabularySize: 4, replacing: false)
            try writer.commit()
        }
    }
}
