import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Synchronization
import Testing

@Suite("Conversion")
struct ConverterTests {
    private func convert(
        _ input: String, to output: String, _ type: QuantizationType, threads: Int = 2,
        change: (inout ConversionRequest) throws -> Void = { _ in }
    ) throws {
        var request = ConversionRequest(
            input: input, output: output, plan: QuantizationPlan(type), threads: threads)
        try change(&request)
        try Converter(request).run()
    }

    @Test(
        "A hub folder becomes what llama.cpp's converter and llama-quantize make of it",
        arguments: Fixtures.hubNames)
    func hubToGGUF(name: String) throws {
        let folder = try TemporaryFolder()
        let hub = Fixtures.path("hub/\(name)")
        var expected = Fixtures.path("hub/\(name).expected.gguf")
        for type in [QuantizationType.bf16, .q4_0, .q8_0] {
            try convert(hub, to: folder.file("direct.gguf"), type) { $0.replacesOutput = true }
            try convert(expected, to: folder.file("indirect.gguf"), type) { $0.replacesOutput = true }
            #expect(
                try contents(folder.file("direct.gguf")) == contents(folder.file("indirect.gguf")), "\(type)")
            if ["qwen3", "llama2-spm"].contains(name) {
                // The expected file holds F32 and F16 weights as BF16; codes come from the weights themselves.
                expected = folder.file("f32.gguf")
                try convert(hub, to: expected, .f32) { $0.replacesOutput = true }
            }
        }
    }

    @Test("GGUF to hub folder and back is the identity", arguments: Fixtures.hubNames)
    func roundTrip(name: String) throws {
        let folder = try TemporaryFolder()
        let expected = Fixtures.path("hub/\(name).expected.gguf")
        try convert(expected, to: folder.file("start.gguf"), .bf16)
        try convert(folder.file("start.gguf"), to: folder.file("hub"), .bf16)
        try convert(folder.file("hub"), to: folder.file("end.gguf"), .bf16)
        let (start, end) = (
            try GGUFFile(path: folder.file("start.gguf")), try GGUFFile(path: folder.file("end.gguf"))
        )
        #expect(start.tensors.map(\.name) == end.tensors.map(\.name))
        for (a, b) in zip(start.tensors, end.tensors) {
            #expect(a.shape == b.shape && a.type == b.type, "\(a.name)")
            #expect(Array(a.bytes) == Array(b.bytes), "\(a.name)")
        }
        for key in start.metadata.keys where !key.hasPrefix("general.") {
            #expect(try start.metadata.value(key) == end.metadata.value(key), "\(key)")
        }
        #expect(
            start.metadata.keys.filter { !$0.hasPrefix("general.") }.sorted()
                == end.metadata.keys.filter { !$0.hasPrefix("general.") }.sorted())
    }

    @Test("The bytes do not depend on the number of threads", arguments: [1, 2, 3, 7])
    func threads(count: Int) throws {
        let folder = try TemporaryFolder()
        let input = Fixtures.path("hub/gemma3-text.expected.gguf")
        try convert(input, to: folder.file("a.gguf"), .q4_k_m, threads: 1)
        try convert(input, to: folder.file("b.gguf"), .q4_k_m, threads: count)
        #expect(try contents(folder.file("a.gguf")) == contents(folder.file("b.gguf")))
    }

    @Test("A split output holds the tensors of the whole one")
    func split() throws {
        let folder = try TemporaryFolder()
        let input = Fixtures.path("hub/llama3.expected.gguf")
        try convert(input, to: folder.file("one.gguf"), .q4_0)
        try convert(input, to: folder.file("many.gguf"), .q4_0) { $0.splitSize = 40_000 }
        let parts = try folder.names.filter { $0.hasPrefix("many-") }
        #expect(parts.count > 2)
        let one = try GGUFCheckpoint(path: folder.file("one.gguf"))
        let many = try GGUFCheckpoint(path: folder.file(parts[0]))
        #expect(one.tensors.map { Array($0.bytes) } == many.tensors.map { Array($0.bytes) })
        try convert(folder.file(parts[0]), to: folder.file("again.gguf"), .q4_0)
        #expect(try contents(folder.file("one.gguf")) == contents(folder.file("again.gguf")))
    }

    @Test("Dithering stays within the cells, is the same for a seed, and leaves the grid")
    func dither() throws {
        let folder = try TemporaryFolder()
        try convert(Fixtures.path("hub/llama3.expected.gguf"), to: folder.file("q.gguf"), .q4_0)
        for (name, seed, threads) in [("a", 1, 1), ("b", 1, 2), ("c", 2, 2)] as [(String, UInt64, Int)] {
            try convert(folder.file("q.gguf"), to: folder.file("\(name).gguf"), .f32, threads: threads) {
                $0.ditherSeed = seed
            }
        }
        #expect(try contents(folder.file("a.gguf")) == contents(folder.file("b.gguf")))
        #expect(try contents(folder.file("a.gguf")) != contents(folder.file("c.gguf")))
        let quantized = try GGUFFile(path: folder.file("q.gguf"))
        let dithered = try GGUFFile(path: folder.file("a.gguf"))
        let inspection = try CheckpointInspection(path: folder.file("a.gguf"))
        #expect(inspection.lattices.isEmpty)
        for (q, d) in zip(quantized.tensors, dithered.tensors) where q.type == .q4_0 {
            let centres = try q.floats()
            let drawn = try d.floats()
            var outside = 0
            for block in stride(from: 0, to: centres.count, by: 32) {
                let scale = q.bytes.loadUnaligned(fromByteOffset: block / 32 * 18, as: UInt16.self)
                let step = abs(Float(Float16(bitPattern: scale)))
                for i in block..<block + 32 where abs(centres[i] - drawn[i]) > step * 0.50001 { outside += 1 }
            }
            #expect(outside == 0, "\(q.name)")
            #expect(centres != drawn)
        }
    }

    @Test(
        "A NaN or an infinity in the source is an error that names tensor, row and column",
        arguments: [Float.nan, .infinity, -.infinity], [QuantizationType.q4_0, .q4_k_m, .q8_0, .bf16, .f32])
    func nonFinite(value: Float, type: QuantizationType) throws {
        let folder = try TemporaryFolder()
        try convert(Fixtures.path("hub/llama3.expected.gguf"), to: folder.file("f32.gguf"), .f32)
        var bytes = try contents(folder.file("f32.gguf"))
        let file = try GGUFFile(path: folder.file("f32.gguf"))
        let tensor = try #require(file.tensors.first { $0.name == "blk.1.ffn_up.weight" })
        let place = tensor.range.lowerBound + 4 * (3 * tensor.columns + 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) {
            bytes.replaceSubrange(place..<place + 4, with: $0)
        }
        try folder.write(bytes, to: "bad.gguf")
        let error = #expect(throws: CheckpointError.self) {
            try convert(folder.file("bad.gguf"), to: folder.file("out.gguf"), type)
        }
        #expect(error?.code == .invalidValue)
        #expect(error?.subject == "tensor 'blk.1.ffn_up.weight', row 3, column 5")
        #expect(try folder.names == ["bad.gguf", "f32.gguf"])
    }

    @Test("Requests that do not fit are errors, and nothing is written")
    func badRequests() throws {
        let folder = try TemporaryFolder()
        let input = Fixtures.path("hub/llama3.expected.gguf")
        let copy = try folder.write(try contents(input), to: "in.gguf")
        #expect(throws: CheckpointError.self) {
            try convert(copy, to: copy, .q4_0) { $0.replacesOutput = true }
        }
        #expect(throws: CheckpointError.self) { try convert(copy, to: folder.file("hub"), .q4_0) }
        #expect(throws: CheckpointError.self) {
            try convert(copy, to: folder.file("out.gguf"), .q4_0) { $0.splitSize = 0 }
        }
        for name in ["wrong-length.dat", "wrong-length.gguf"] {
            let error = #expect(throws: CheckpointError.self) {
                try convert(
                    Fixtures.path("hub/gemma3-text.expected.gguf"), to: folder.file("out.gguf"), .q4_0
                ) {
                    $0.importance = try ImportanceMatrix(path: Fixtures.path("broken/imatrix/\(name)"))
                }
            }
            #expect(error?.subject == "tensor 'blk.0.attn_q.weight'")
        }
        #expect(try folder.names == ["in.gguf"])
    }

    @Test("Cancelling leaves nothing behind and the old output in place")
    func cancel() throws {
        let folder = try TemporaryFolder()
        let old = try folder.write([1, 2, 3], to: "out.gguf")
        var request = ConversionRequest(
            input: Fixtures.path("hub/llama3.expected.gguf"), output: old, plan: QuantizationPlan(.q4_0),
            threads: 2)
        request.replacesOutput = true
        let calls = Atomic(0)
        let error = #expect(throws: CheckpointError.self) {
            try Converter(request).run(isCancelled: { calls.add(1, ordering: .relaxed).newValue > 5 })
        }
        #expect(error?.code == .cancelled)
        #expect(try folder.names == ["out.gguf"])
        #expect(try contents(old) == [1, 2, 3])
    }

    @Test("Vision tensors are left out, and said to be")
    func vision() throws {
        let model = try ModelCheckpoint(path: Fixtures.path("hub/gemma3-multimodal-old"))
        #expect(model.leftOut.map(\.reason) == ["vision projector", "vision tower"])
        #expect(model.leftOut.allSatisfy { $0.count > 0 && $0.byteCount > 0 })
    }
}
