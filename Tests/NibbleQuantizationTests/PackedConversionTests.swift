import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// Folders of codes, read again and written as something else.
@Suite("Folders of codes as sources")
struct PackedConversionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String, _ type: QuantizationType, _ exporter: any CheckpointExporter,
        change: (inout ConversionRequest) throws -> Void = { _ in }
    ) throws -> ConversionSummary {
        var request = ConversionRequest(
            input: input, output: folder.file(name), exporter: exporter, plan: QuantizationPlan(type),
            threads: 2)
        try change(&request)
        return try Converter(request).run()
    }

    /// The bytes of all tensors as a reader has them, by name.
    private func blocks(_ name: String) throws -> [String: [UInt8]] {
        let model = try ModelCheckpoint(path: folder.file(name))
        return try Dictionary(
            uniqueKeysWithValues: model.tensors.map { tensor in
                let entry = tensor.entry
                let stored = try #require(entry.elements(0..<entry.elementCount))
                return (entry.name, withExtendedLifetime(stored.owner) { Array(stored.bytes) })
            })
    }

    @Test(
        "give the GGUF file with the codes and scales that they were made of",
        arguments: ["gemma3-text", "smollm2"], [QuantizationType.q4_0, .q4_1, .q8_0])
    func mlx(name: String, type: QuantizationType) throws {
        let source = Fixtures.path("hub/\(name)")
        // Importance, so that scales are none that rounding to nearest would choose.
        let importance = try ImportanceMatrix(path: Fixtures.path("imatrix/\(name).gguf"))
        try convert(source, to: "a.gguf", type, CheckpointExporters.gguf) { $0.importance = importance }
        try convert(folder.file("a.gguf"), to: "mlx", type, CheckpointExporters.mlx)
        try convert(folder.file("mlx"), to: "b.gguf", type, CheckpointExporters.gguf)
        let (a, b) = (try blocks("a.gguf"), try blocks("b.gguf"))
        #expect(a.count == b.count)
        for (tensor, bytes) in a { #expect(b[tensor] == bytes, "\(tensor)") }
        // And once more from there.
        try convert(folder.file("mlx"), to: "again", type, CheckpointExporters.mlx)
        #expect(
            try HubTensors(folder: folder.file("mlx")).tensors
                == HubTensors(folder: folder.file("again")).tensors)
    }

    @Test(
        "keep the codes of compressed-tensors in every form that holds them",
        arguments: ["gemma3-text", "smollm2", "llama3"],
        [QuantizationType.int4, .int4_32, .q4_0, .q8_0])
    func compressedTensors(name: String, type: QuantizationType) throws {
        // Rows of 32 and of 16 are whole groups of 32 or none.
        guard name != "llama3" || type == .int4 else { return }
        let source = Fixtures.path("hub/\(name)")
        try convert(source, to: "a", type, CheckpointExporters.compressedTensors)
        let a = try HubTensors(folder: folder.file("a"))
        let model = try ModelCheckpoint(path: folder.file("a"))
        let packed = model.tensors.filter { $0.entry.packing != nil }
        #expect(packed.count == 7 * model.configuration.layerCount)
        for tensor in packed {
            let expected = try dequantized(tensor.entry.name, a)
            #expect(try tensor.entry.floats() == expected, "\(tensor.entry.name)")
        }
        let summary = try convert(folder.file("a"), to: "b", type, CheckpointExporters.compressedTensors)
        #expect(summary.lattices.rounded == 0 && summary.lattices.off == 0)
        let b = try HubTensors(folder: folder.file("b"))
        #expect(Set(a.tensors.keys) == Set(b.tensors.keys))
        for (tensor, own) in a.tensors {
            // A scale of no code but zero may become another.
            guard b.tensors[tensor] != own else { continue }
            let matrix = tensor.droppingSuffix("_packed").droppingSuffix("_scale")
            #expect(try dequantized(matrix, a) == dequantized(matrix, b), "\(tensor)")
        }
        // Rows of Llama are in another order in GGUF.
        let file: QuantizationType = type == .q8_0 ? .q8_0 : .q4_0
        try convert(folder.file("a"), to: "c.gguf", file, CheckpointExporters.gguf)
        try convert(folder.file("c.gguf"), to: "d", .f32, CheckpointExporters.hub)
        let back = try ModelCheckpoint(path: folder.file("d"))
        for tensor in packed where tensor.entry.columns.isMultiple(of: 32) {
            let found = try #require(back.tensors.first { $0.role == tensor.role }).entry
            #expect(try found.floats() == tensor.entry.floats(), "\(tensor.entry.name)")
        }
    }

    @Test("of Q4_0 in compressed-tensors are the blocks of the GGUF file, signs of scales included")
    func sameBlocks() throws {
        let source = Fixtures.path("hub/gemma3-text")
        try convert(source, to: "a.gguf", .q4_0, CheckpointExporters.gguf)
        try convert(source, to: "a", .q4_0, CheckpointExporters.compressedTensors)
        let (file, folder) = (
            try ModelCheckpoint(path: folder.file("a.gguf")), try ModelCheckpoint(path: folder.file("a"))
        )
        var negative = 0
        for tensor in file.tensors where tensor.role.isLinear {
            let entry = try #require(folder.tensors.first { $0.role == tensor.role }).entry
            let stored = try #require(entry.elements(0..<entry.elementCount))
            withExtendedLifetime(stored.owner) {
                #expect(
                    entry.type == .q4_0 && stored.bytes.elementsEqual(tensor.entry.bytes), "\(entry.name)")
                for block in stride(from: 0, to: stored.bytes.count, by: 18) {
                    negative += Int(stored.bytes[block + 1] >> 7)
                }
            }
        }
        #expect(negative > 100)
        // The embedding stays what it was.
        let embedding = try #require(folder.tensors.first { $0.role == TensorRole(.tokenEmbedding) })
        #expect(embedding.entry.type == .bf16)
    }

    @Test("become plain numbers again, and config.json forgets the codes")
    func plain() throws {
        let source = Fixtures.path("hub/gemma3-text")
        for exporter in [CheckpointExporters.mlx, CheckpointExporters.compressedTensors] {
            try convert(source, to: exporter.name, .q4_0, exporter)
            try convert(
                folder.file(exporter.name), to: "plain " + exporter.name, .f32, CheckpointExporters.hub)
            let (packed, plain) = (
                try ModelCheckpoint(path: folder.file(exporter.name)),
                try ModelCheckpoint(path: folder.file("plain " + exporter.name))
            )
            for (one, other) in zip(packed.tensors, plain.tensors) {
                let other =
                    one.role == other.role ? other : try #require(plain.tensors.first { $0.role == one.role })
                #expect(try one.entry.floats() == other.entry.floats(), "\(one.entry.name)")
            }
            let json = try JSONParser.parse(path: folder.file("plain " + exporter.name) + "/config.json")
            #expect(json["quantization"] == nil && json["quantization_config"] == nil)
            #expect(
                packed.notes.contains { "\($0)".contains("read as Q4_0 with the same values") },
                "\(packed.notes)")
        }
    }

    @Test("say in config.json which modules have other bits, and which none")
    func schemes() throws {
        let source = Fixtures.path("hub/gemma3-text")
        try convert(source, to: "a", .q4_0, CheckpointExporters.compressedTensors) {
            $0.plan.overrides = [
                try .init(pattern: "blk\\.1\\.attn_q\\.", type: .q8_0),
                try .init(pattern: "blk\\.2\\.ffn_up", type: .bf16),
            ]
        }
        let json = try JSONParser.parse(path: folder.file("a") + "/config.json")["quantization_config"]
        #expect(json?["format"]?.text == "pack-quantized")
        let groups = try #require(json?["config_groups"]?.members)
        #expect(
            groups.map { $0.value["targets"]?.elements?.compactMap(\.text) } == [
                ["Linear"], ["model.layers.1.self_attn.q_proj"],
            ])
        #expect(groups.map { $0.value["weights"]?["num_bits"]?.integer } == [4, 8])
        #expect(groups.allSatisfy { $0.value["weights"]?["group_size"]?.integer == 32 })
        #expect(json?["ignore"]?.elements?.compactMap(\.text) == ["lm_head", "model.layers.2.mlp.up_proj"])
        let model = try ModelCheckpoint(path: folder.file("a"))
        let types = Dictionary(grouping: model.tensors.filter { $0.role.isLinear }, by: \.entry.type)
            .mapValues(\.count)
        #expect(types == [.q4_0: 7 * 8 - 2, .q8_0: 1, .bf16: 1])
        let error = #expect(throws: CheckpointError.self) {
            try convert(source, to: "b", .q4_0, CheckpointExporters.compressedTensors) {
                $0.plan.overrides = [try .init(pattern: "attn_q", type: .q5_0)]
            }
        }
        #expect(
            error?.problem == "compressed-tensors cannot hold Q5_0"
                && error?.subject?.contains("attn_q") == true)
    }

    /// Code times scale, in F32, of a matrix in the three tensors of compressed-tensors.
    private func dequantized(_ name: String, _ tensors: HubTensors) throws -> [Float] {
        let packed = try #require(tensors.tensors[name + "_packed"])
        let scales = try #require(tensors.tensors[name + "_scale"])
        let shape = try #require(tensors.tensors[name + "_shape"]).bytes
        let (rows, columns) = (Int(shape[0]) | Int(shape[1]) << 8, Int(shape[8]) | Int(shape[9]) << 8)
        let (words, groups) = (packed.shape[1], scales.shape[1])
        let bits = words * 32 >= 8 * columns ? 8 : 4
        return (0..<rows * columns).map { index in
            let (row, column) = (index / columns, index % columns)
            let byte = packed.bytes[4 * row * words + column * bits / 8]
            let code = bits == 8 ? Int(byte) - 128 : Int(column.isMultiple(of: 2) ? byte & 15 : byte >> 4) - 8
            let place = 2 * (row * groups + column / (columns / groups))
            let word = UInt16(scales.bytes[place]) | UInt16(scales.bytes[place + 1]) << 8
            return Float(code) * (scales.type == "F16" ? Half.float(f16: word) : Half.float(bf16: word))
        }
    }
}
