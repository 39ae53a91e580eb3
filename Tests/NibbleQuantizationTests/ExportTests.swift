import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Synchronization
import Testing

@Suite("Export of trained weights")
struct ExportTests {
    /// Hub folders and GGUF files: Gemma 3, Llama and Qwen.
    static let sources = [
        "gemma3-text", "gemma3-multimodal-old", "llama3", "llama2-spm", "smollm2", "qwen2", "qwen3",
    ].flatMap { ["hub/\($0)", "hub/\($0).expected.gguf"] }

    static let types: [QuantizationType] = [.q4_0, .q4_k_m, .iq4_nl]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String, _ plan: QuantizationPlan, threads: Int = 2,
        replacements: [TensorRole: ReplacementTensor] = [:]
    ) throws -> ConversionSummary {
        var request = ConversionRequest(
            input: input, output: folder.file(name), plan: plan, threads: threads)
        request.replacements = replacements
        request.replacesOutput = true
        return try Converter(request).run()
    }

    @Test(
        "Every block of a GGUF file is the one that was given, in the row that it belongs to",
        arguments: sources)
    func givenBytes(source: String) throws {
        let trained = try TrainedWeights(Fixtures.path(source), seed: 1)
        #expect(trained.values.count >= 7)
        for type in Self.types {
            let plan = QuantizationPlan(type)
            let replacements = try trained.replacements(plan)
            try convert(trained.source.path, to: "out.gguf", plan, replacements: replacements)
            let output = try ModelCheckpoint(path: folder.file("out.gguf"))
            var compared = 0
            for tensor in output.tensors {
                guard case .encoded(let given)? = replacements[tensor.role] else { continue }
                #expect(.ggml(tensor.entry.type) == given.format)
                let bytes = given.withUnsafeBytes { Array($0) }
                let size = bytes.count / given.rows
                let heads: Int? =
                    switch tensor.role.kind {
                    case .attentionQuery: output.configuration.headCount
                    case .attentionKey: output.configuration.keyValueHeadCount
                    default: nil
                    }
                let moves = output.configuration.architecture == .llama && !source.hasSuffix(".gguf")
                for row in 0..<given.rows {
                    var from = row
                    if moves, let heads {
                        // Pairs i and i + half of a head become neighbours.
                        let rowsPerHead = given.rows / heads
                        let inner = row % rowsPerHead
                        from = row - inner + inner / 2 + (inner % 2 == 0 ? 0 : rowsPerHead / 2)
                    }
                    let found = tensor.entry.bytes[row * size..<(row + 1) * size]
                    let expected = bytes[from * size..<(from + 1) * size]
                    #expect(found.elementsEqual(expected), "\(tensor.entry.name), row \(row)")
                }
                compared += 1
            }
            #expect(compared == trained.values.count, "\(type)")
        }
    }

    @Test("The file is what a conversion of the trained weights in F32 gives", arguments: sources)
    func conversion(source: String) throws {
        let trained = try TrainedWeights(Fixtures.path(source), seed: 2)
        // The name of the folder is the name of the model.
        let inner = try TemporaryFolder()
        let isFile = source.hasSuffix(".gguf")
        let name = isFile ? "f32.gguf" : String(source.dropFirst("hub/".count))
        try trained.write(to: inner.file(name))
        for type in Self.types {
            let plan = QuantizationPlan(type)
            try convert(
                trained.source.path, to: "export.gguf", plan, replacements: try trained.replacements(plan))
            try convert(inner.file(name), to: "converted.gguf", plan)
            try expectSameTensors("export.gguf", "converted.gguf")
            // The folder that was written does not say the name that the source has in its config.json.
            guard source != "hub/llama2-spm" else { continue }
            #expect(
                try contents(folder.file("export.gguf")) == contents(folder.file("converted.gguf")), "\(type)"
            )
        }
    }

    @Test(
        "A folder of F32 values becomes the exported Q4_0 file when it is quantized",
        arguments: sources, [false, true])
    func throughFolder(source: String, isPure: Bool) throws {
        let trained = try TrainedWeights(Fixtures.path(source), seed: 3)
        var plan = QuantizationPlan(.q4_0)
        plan.isPure = isPure
        let replacements = try trained.replacements(plan)
        try convert(trained.source.path, to: "export.gguf", plan, replacements: replacements)
        let summary = try convert(
            trained.source.path, to: "folder", QuantizationPlan(.f32), replacements: replacements)
        let report = try #require(summary.export)
        #expect(report.isExact, "\(report)")
        #expect(report.tensors.count == replacements.values.count { $0.isQuantized })
        try convert(folder.file("folder"), to: "again.gguf", plan)
        try expectSameTensors("export.gguf", "again.gguf")
    }

    @Test(
        "A pure Q4_0 file survives a folder of F32 and one of F16", arguments: sources,
        [QuantizationType.f32, .f16])
    func fileThroughFolder(source: String, type: QuantizationType) throws {
        let trained = try TrainedWeights(Fixtures.path(source), seed: 4)
        var plan = QuantizationPlan(.q4_0)
        plan.isPure = true
        try convert(
            trained.source.path, to: "export.gguf", plan, replacements: try trained.replacements(plan))
        try convert(folder.file("export.gguf"), to: "folder", QuantizationPlan(type))
        try convert(folder.file("folder"), to: "again.gguf", plan)
        try expectSameTensors("export.gguf", "again.gguf")
    }

    private func expectSameTensors(_ first: String, _ second: String) throws {
        let (a, b) = (
            try GGUFFile(path: folder.file(first)), try GGUFFile(path: folder.file(second))
        )
        #expect(!a.tensors.isEmpty)
        #expect(a.tensors.map(\.name) == b.tensors.map(\.name))
        for (x, y) in zip(a.tensors, b.tensors) {
            #expect(x.type == y.type && x.shape == y.shape, "\(x.name)")
            #expect(x.bytes.elementsEqual(y.bytes), "\(x.name)")
        }
    }

    @Test("What was not trained has the source's values in a folder", arguments: sources)
    func frozen(source: String) throws {
        let trained = try TrainedWeights(Fixtures.path(source), seed: 5)
        let replacements = try trained.replacements(QuantizationPlan(.q4_0))
        try convert(trained.source.path, to: "folder", QuantizationPlan(.f16), replacements: replacements)
        try convert(folder.file("folder"), to: "folder.f32.gguf", QuantizationPlan(.f32))
        try convert(trained.source.path, to: "source.f32.gguf", QuantizationPlan(.f32))
        let found = try ModelCheckpoint(path: folder.file("folder.f32.gguf"))
        let expected = try ModelCheckpoint(path: folder.file("source.f32.gguf"))
        var compared = 0
        for tensor in expected.tensors where replacements[tensor.role] == nil {
            let other = try #require(found.tensors.first { $0.role == tensor.role })
            #expect(try tensor.entry.floats() == other.entry.floats(), "\(tensor.entry.name)")
            compared += 1
        }
        #expect(compared >= 5)
    }

    @Test("The bytes do not depend on the number of threads", arguments: [1, 3])
    func threads(count: Int) throws {
        let trained = try TrainedWeights(Fixtures.path("hub/llama3"), seed: 6)
        let plan = QuantizationPlan(.q4_k_m)
        let replacements = try trained.replacements(plan)
        let path = trained.source.path
        try convert(path, to: "a.gguf", plan, replacements: replacements)
        try convert(path, to: "b.gguf", plan, threads: count, replacements: replacements)
        #expect(try contents(folder.file("a.gguf")) == contents(folder.file("b.gguf")))
        let f32 = QuantizationPlan(.f32)
        let first = try convert(path, to: "a", f32, replacements: replacements)
        let second = try convert(path, to: "b", f32, threads: count, replacements: replacements)
        #expect(first.export != nil && first.export == second.export)
        #expect(
            try contents(folder.file("a/model.safetensors")) == contents(folder.file("b/model.safetensors")))
    }

    @Test("An export that is stopped leaves the old file")
    func cancel() throws {
        let trained = try TrainedWeights(Fixtures.path("hub/llama3"), seed: 7)
        let plan = QuantizationPlan(.q4_0)
        var request = ConversionRequest(
            input: trained.source.path, output: try folder.write([1, 2, 3], to: "out.gguf"), plan: plan,
            threads: 2)
        request.replacements = try trained.replacements(plan)
        request.replacesOutput = true
        let calls = Atomic(0)
        let error = #expect(throws: CheckpointError.self) {
            try Converter(request).run(isCancelled: { calls.add(1, ordering: .relaxed).newValue > 5 })
        }
        #expect(error?.code == .cancelled)
        #expect(try folder.names == ["out.gguf"])
        #expect(try contents(request.output) == [1, 2, 3])
    }
}

extension ReplacementTensor {
    /// Whether it is a matrix of a block format.
    var isQuantized: Bool { if case .encoded(let tensor) = self { tensor.format.isQuantized } else { false } }
}
