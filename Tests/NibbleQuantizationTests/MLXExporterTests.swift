import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// The values that a folder for MLX holds, read as `mx.dequantize` computes them.
@Suite("Folders for MLX")
struct MLXExporterTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String = "out", _ type: QuantizationType = .q4_0,
        change: (inout ConversionRequest) throws -> Void = { _ in }
    ) throws -> ConversionSummary {
        var request = ConversionRequest(
            input: input, output: folder.file(name), exporter: CheckpointExporters.mlx,
            plan: QuantizationPlan(type), threads: 2)
        try change(&request)
        return try Converter(request).run()
    }

    /// The values of a module in F32: code times scale, plus bias; and the bits of its codes.
    private func dequantized(_ module: String, _ tensors: HubTensors) throws -> (values: [Float], bits: Int) {
        let words = try #require(tensors.tensors[module + ".weight"])
        let scales = try #require(tensors.tensors[module + ".scales"])
        let biases = try #require(tensors.tensors[module + ".biases"])
        // Of Gemma's embedding, which decides what mlx-lm computes in, F32.
        let isWide =
            module.hasSuffix("embed_tokens") && tensors.tensors.keys.contains { $0.contains("q_norm") }
        let type = isWide ? "F32" : "F16"
        try #require(words.type == "U32" && scales.type == type && biases.type == type)
        try #require(scales.shape == biases.shape && words.shape[0] == scales.shape[0])
        let (rows, groups) = (scales.shape[0], scales.shape[1])
        let bits = words.shape[1] / groups
        func half(_ tensor: HubTensors.Tensor, _ index: Int) -> Float {
            if isWide {
                return tensor.bytes.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                }
            }
            return Half.float(f16: UInt16(tensor.bytes[2 * index]) | UInt16(tensor.bytes[2 * index + 1]) << 8)
        }
        var values: [Float] = []
        for row in 0..<rows {
            for column in 0..<32 * groups {
                let start = 4 * (row * words.shape[1] + column * bits / 32)
                let word = (0..<4).reduce(UInt32(0)) {
                    $0 | UInt32(words.bytes[start + $1]) << UInt32(8 * $1)
                }
                let code = word >> UInt32(column * bits % 32) & (1 << UInt32(bits) - 1)
                let group = row * groups + column / 32
                values.append(Float(code) * half(scales, group) + half(biases, group))
            }
        }
        return (values, bits)
    }

    @Test(
        "hold the values of the GGUF file, embedding and head included, and everything else as it was",
        arguments: ["gemma3-text", "qwen2", "smollm2"], [QuantizationType.q4_0, .q4_1, .q8_0])
    func values(name: String, type: QuantizationType) throws {
        let source = try ModelCheckpoint(path: Fixtures.path("hub/\(name)"))
        try convert(source.path, type)
        let output = try HubTensors(folder: folder.file("out"))
        var matrices = 0
        for tensor in source.tensors {
            let entry = tensor.entry
            guard entry.shape.count == 2 else {
                let found = try #require(output.tensors[entry.name])
                // Gemma's norms are F32, as mlx-lm adds one to them.
                let isNorm = name.hasPrefix("gemma")
                #expect(found.type == (isNorm ? "F32" : "BF16"))
                let values =
                    isNorm ? found.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } : []
                #expect(isNorm || found.bytes.elementsEqual(entry.bytes), "\(entry.name)")
                #expect(try !isNorm || values == entry.floats(), "\(entry.name)")
                continue
            }
            let (values, bits) = try dequantized(String(entry.name.dropLast(7)), output)
            // Embeddings are Q6_K by the mixture where their rows are multiples of 256, else Q8_0: Q8_0 here.
            let isVocabulary = tensor.role.isVocabulary
            let own: GGMLType = bits == 8 ? .q8_0 : try #require(type.format.ggmlType)
            #expect(isVocabulary || own == type.format.ggmlType)
            let expected = try rounded(entry.floats(), columns: entry.columns, .ggml(own))
            #expect(zip(values, expected).allSatisfy { $0 == $1 }, "\(entry.name)")
            matrices += 1
        }
        #expect(matrices > 7 && output.metadata["format"] == "mlx")
        #expect(output.tensors.count == source.tensors.count + 2 * matrices)
    }

    @Test(
        "hold the codes of a GGUF file, rows in the order of the hub", arguments: ["gemma3-text", "smollm2"])
    func fromGGUF(name: String) throws {
        let source = Fixtures.path("hub/\(name)")
        try convert(source, to: "hub")
        try convert(source, to: "codes.gguf") { $0.exporter = CheckpointExporters.gguf }
        try convert(folder.file("codes.gguf"), to: "gguf")
        let (hub, gguf) = (
            try HubTensors(folder: folder.file("hub")), try HubTensors(folder: folder.file("gguf"))
        )
        #expect(Set(hub.tensors.keys) == Set(gguf.tensors.keys))
        let different = hub.tensors.filter { gguf.tensors[$0.key] != $0.value }.keys.sorted()
        #expect(different.isEmpty, "\(different)")
    }

    @Test("are named in config.json, modules of other bits one by one")
    func configuration() throws {
        let source = Fixtures.path("hub/gemma3-text")
        try convert(source) { $0.plan.overrides = [try .init(pattern: "attn_q\\.", type: .q8_0)] }
        let json = try JSONParser.parse(path: folder.file("out") + "/config.json")
        for key in ["quantization", "quantization_config"] {
            let own = try #require(json[key])
            #expect(own["bits"]?.integer == 4 && own["group_size"]?.integer == 32, "\(own)")
            #expect(own["mode"]?.text == "affine")
            let query = own["model.layers.0.self_attn.q_proj"]
            #expect(query?["bits"]?.integer == 8 && query?["group_size"]?.integer == 32)
            #expect(own["model.layers.0.self_attn.k_proj"] == nil)
        }
        #expect(json["model_type"]?.text == "gemma3_text")
        // Nobody takes its codes for plain numbers.
        let read = try ModelCheckpoint(path: folder.file("out")).tensors.filter { $0.entry.shape.count == 2 }
        #expect(read.allSatisfy { [.q4_0, .q8_0].contains($0.entry.type) })
        let card = try String(contentsOfFile: folder.file("out") + "/README.md", encoding: .utf8)
        #expect(card.contains("mlx_lm.generate --model") && !card.contains("from_pretrained"))
    }

    @Test("keep codes that were trained, and lattices")
    func trained() throws {
        let trained = try TrainedWeights(Fixtures.path("hub/smollm2"), seed: 5)
        let plan = QuantizationPlan(.q4_0)
        let replacements = try trained.replacements(plan)
        try convert(trained.source.path) { $0.replacements = replacements }
        let output = try HubTensors(folder: folder.file("out"))
        for tensor in trained.source.tensors {
            guard let values = trained.values[tensor.role] else { continue }
            let (found, bits) = try dequantized(String(tensor.entry.name.dropLast(7)), output)
            let expected = try rounded(values, columns: tensor.entry.columns, .ggml(.q4_0))
            #expect(found == expected && bits == 4, "\(tensor.entry.name)")
        }
    }

    @Test("refuse what they cannot hold by name")
    func refused() throws {
        let source = Fixtures.path("hub/gemma3-text")
        let type = #expect(throws: CheckpointError.self) { try convert(source, .q4_k_m) }
        #expect(type?.problem == "MLX's affine groups do not hold q4_k_m", "\(String(describing: type))")
        #expect(type?.advice?.contains("choose q4_0, q4_1 or q8_0") == true)
        let embedding = #expect(throws: CheckpointError.self) {
            try convert(source) { $0.plan.embeddingType = .q5_1 }
        }
        #expect(embedding?.subject == "tensor 'token_embd.weight'")
        #expect(embedding?.problem == "MLX's affine groups do not hold Q5_1")
        // A bias of eight times a scale that is a half is none any more.
        let values = [Float](repeating: 0, count: 128 * 32).enumerated().map { index, _ in
            index == 7 * 32 + 5 ? Float(70_000) : 0.5
        }
        let large = folder.file("large")
        var request = ConversionRequest(
            input: source, output: large, exporter: CheckpointExporters.hub, plan: QuantizationPlan(.f32),
            threads: 1)
        let role = TensorRole(.feedForwardUp, layer: 0)
        let shape = try #require(try ModelCheckpoint(path: source).tensors.first { $0.role == role }).entry
            .shape
        request.replacements[role] = .encoded(
            try TrainedWeights.encoded(
                Array(values[..<(shape[0] * shape[1])]), rows: shape[0], type: .f32))
        try Converter(request).run()
        let overflow = #expect(throws: CheckpointError.self) { try convert(large) }
        #expect(
            overflow?.problem == "begins a block whose scale the output cannot hold",
            "\(String(describing: overflow))")
        #expect(overflow?.subject?.hasPrefix("tensor 'model.layers.0.mlp.up_proj.weight'") == true)
        #expect(try folder.names == ["large"])
    }
}
