import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Folders of int4 and SFP8")
struct FolderTypeTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String = "out", _ type: QuantizationType, threads: Int = 2,
        change: (inout ConversionRequest) throws -> Void = { _ in }
    ) throws -> ConversionSummary {
        var request = ConversionRequest(
            input: input, output: folder.file(name), plan: QuantizationPlan(type), threads: threads)
        try change(&request)
        return try Converter(request).run()
    }

    @Test(
        "hold the values of the plain reference for the matrices of blocks, and everything else as it was",
        arguments: [
            ("gemma3-text", .int4), ("gemma3-text", .int4_32), ("gemma3-text", .sfp8), ("qwen2", .int4),
            ("qwen2", .int4_32), ("smollm2", .int4_32), ("smollm2", .sfp8), ("llama3", .int4),
            ("llama3", .sfp8),
        ] as [(String, QuantizationType)])
    func values(name: String, type: QuantizationType) throws {
        let source = try ModelCheckpoint(path: Fixtures.path("hub/\(name)"))
        try convert(source.path, type)
        let output = try HubTensors(folder: folder.file("out"))
        var expectedNames: Set<String> = []
        var matrices = 0
        for tensor in source.tensors {
            let entry = tensor.entry
            let isMatrix = entry.name.contains("_proj.weight")
            if isMatrix, type != .sfp8 {
                expectedNames.formUnion(["_packed", "_scale", "_shape"].map { entry.name + $0 })
            } else {
                expectedNames.insert(entry.name)
            }
            guard isMatrix else {
                #expect(output.tensors[entry.name]?.bytes.elementsEqual(entry.bytes) == true, "\(entry.name)")
                continue
            }
            let expected = try rounded(entry.floats(), columns: entry.columns, type.format)
            let found = try #require(output.values(entry.name), "\(entry.name)")
            let wrong = zip(found, expected).count { $0 != $1 }
            #expect(found.count == expected.count && wrong == 0, "\(entry.name): \(wrong) differ")
            matrices += 1
        }
        #expect(Set(output.tensors.keys) == expectedNames)
        #expect(matrices == 7 * source.configuration.layerCount)
    }

    @Test(
        "have rows in the order of the hub, from a GGUF file too", arguments: [QuantizationType.int4, .sfp8])
    func fromGGUF(type: QuantizationType) throws {
        try convert(Fixtures.path("hub/llama3"), to: "hub", type)
        try convert(Fixtures.path("hub/llama3.expected.gguf"), to: "gguf", type, threads: 1)
        let (hub, gguf) = (
            try HubTensors(folder: folder.file("hub")), try HubTensors(folder: folder.file("gguf"))
        )
        #expect(Set(hub.tensors.keys) == Set(gguf.tensors.keys))
        let different = hub.tensors.filter { $0.key.contains("_proj.") && gguf.tensors[$0.key] != $0.value }
        #expect(different.isEmpty, "\(different.keys.sorted())")
    }

    @Test("say in config.json what they are", arguments: QuantizationType.folderTypes)
    func configuration(type: QuantizationType) throws {
        let source = Fixtures.path("hub/gemma3-text")
        guard type != .int4_64, type != .int4_128 else {
            // Rows of 32 elements.
            let error = #expect(throws: CheckpointError.self) { try convert(source, type) }
            #expect(
                error?.problem
                    == "has rows of 32 elements, \(type.format) stores groups of \(type == .int4_64 ? 64 : 128)"
            )
            #expect(error?.subject?.hasSuffix("mlp.down_proj.weight'") == true)
            #expect(error?.advice == "choose int4, which has one scale a row")
            return
        }
        try convert(source, type)
        let json = try JSONParser.parse(path: folder.file("out") + "/config.json")
        let quantization = json["quantization_config"]
        guard type != .sfp8 else {
            #expect(quantization == nil)
            #expect(try ModelCheckpoint(path: folder.file("out")).tensors.count > 7)
            return
        }
        #expect(quantization?["quant_method"]?.text == "compressed-tensors")
        #expect(quantization?["format"]?.text == "pack-quantized")
        let weights = quantization?["config_groups"]?["group_0"]?["weights"]
        #expect(weights?["num_bits"]?.integer == 4)
        #expect(weights?["strategy"]?.text == (type == .int4 ? "channel" : "group"))
        #expect(weights?["group_size"]?.integer == (type == .int4 ? nil : 32))
        // Which modules these are, the folder is read by.
        let read = try ModelCheckpoint(path: folder.file("out")).tensors.filter { $0.entry.packing != nil }
        #expect(read.count == 7 * 8 && read.allSatisfy { $0.role.isLinear })
    }

    @Test("refuse what they cannot hold, and options without effect", arguments: QuantizationType.folderTypes)
    func refused(type: QuantizationType) throws {
        let source = Fixtures.path("hub/gemma3-text")
        let file = #expect(throws: CheckpointError.self) { try convert(source, to: "a.gguf", type) }
        #expect(file?.problem == "GGUF files cannot hold \(type.rawValue)")
        #expect(file?.advice?.hasPrefix("name a folder") == true)
        for change: (inout QuantizationPlan) throws -> Void in [
            { $0.isPure = true }, { $0.embeddingType = .q8_0 }, { $0.outputType = .q8_0 },
            { $0.overrides = [try .init(pattern: "x", type: .q8_0)] },
        ] {
            let error = #expect(throws: CheckpointError.self) {
                try convert(source, type) { try change(&$0.plan) }
            }
            #expect(error?.advice?.hasPrefix("leave out pure") == true)
        }
        #expect(try folder.names.isEmpty)
    }

    @Test("A value beyond SFP8 is an error that names tensor, row and column")
    func overflow() throws {
        var values = [Float](repeating: 0.5, count: 32 * 256)
        values[5 * 256 + 7] = 2
        let role = TensorRole(.feedForwardUp, layer: 0)
        try convert(Fixtures.path("hub/llama3"), to: "large", .f32) {
            $0.replacements[role] = .encoded(try TrainedWeights.encoded(values, rows: 32, type: .f32))
        }
        let error = #expect(throws: CheckpointError.self) { try convert(folder.file("large"), .sfp8) }
        #expect(error?.subject == "tensor 'model.layers.0.mlp.up_proj.weight', row 5, column 7")
        #expect(try folder.names == ["large"])
    }

    @Test(
        "Values survive F32, and int4's F16, SFP8's BF16",
        arguments: [QuantizationType.int4, .int4_32, .sfp8])
    func again(type: QuantizationType) throws {
        var generator = SeededGenerator(seed: 4)
        let (rows, columns) = (64, 128)
        let values = (0..<rows * columns).map { _ in 0.05 * Float(generator.normal()) }
        let codec = try #require(type.format.codec)
        var bytes = [UInt8](
            repeating: 0, count: rows * (try #require(type.format.byteCount(columns: columns))))
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(values.span, columns: columns, into: &raw)
        for stored in [GGMLType.f32, type == .sfp8 ? .bf16 : .f16] {
            let reencoding = Reencoding(of: type.format, columns: columns, storedAs: stored)
            let counts = try bytes.withUnsafeBytes { try reencoding.counts($0) }
            #expect(counts.blocks == rows && counts.identical == rows, "\(type) as \(stored): \(counts)")
        }
    }
}
