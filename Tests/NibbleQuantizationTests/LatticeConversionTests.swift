import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// Checkpoints as quantization-aware training leaves them "unquantized": codes times scales, written out as plain numbers.
@Suite("Converting what lies on a lattice")
struct LatticeConversionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String, _ type: QuantizationType,
        change: (inout ConversionRequest) throws -> Void = { _ in }
    ) throws -> (summary: ConversionSummary, converter: Converter) {
        var request = ConversionRequest(
            input: input, output: folder.file(name), plan: QuantizationPlan(type), threads: 2)
        try change(&request)
        let converter = try Converter(request)
        return (try converter.run(), converter)
    }

    /// The values of a file's matrices by name, as `type` stores them.
    private func values(_ name: String, as type: GGMLType = .f32) throws -> [String: [Float]] {
        var result: [String: [Float]] = [:]
        for tensor in try GGUFFile(path: folder.file(name)).tensors where tensor.shape.count == 2 {
            result[tensor.name] = try tensor.floats().map { value in
                switch type {
                case .f16: Half.float(f16: Half.f16(value))
                case .bf16: Half.float(bf16: Half.bf16(value))
                default: value
                }
            }
        }
        return result
    }

    /// A Q4_0 file with an importance matrix, whose blocks need no extreme code, all matrices in Q4_0; and its values.
    private func make(_ model: String, storedAs storage: QuantizationType) throws {
        try convert(Fixtures.path("hub/\(model)"), to: "codes.gguf", .q4_0) { request in
            request.plan.isPure = true
            request.importance = try ImportanceMatrix(path: Fixtures.path("imatrix/\(model).gguf"))
        }
        try convert(folder.file("codes.gguf"), to: "plain.gguf", storage)
    }

    @Test(
        "Values of Q4_0 come back, and with them embedding and head in Q4_0",
        arguments: ["gemma3-text", "llama3", "smollm2"], [QuantizationType.bf16, .f16, .f32])
    func values(model: String, storage: QuantizationType) throws {
        try make(model, storedAs: storage)
        let stored = try #require(storage.format.ggmlType)
        let (summary, converter) = try convert(folder.file("plain.gguf"), to: "back.gguf", .q4_0)
        #expect(try values("back.gguf", as: stored) == values("plain.gguf"))
        if storage == .f32 { #expect(try values("back.gguf") == values("codes.gguf")) }
        // Rows of 16 are F16.
        let matrices = try GGUFFile(path: folder.file("back.gguf")).tensors.filter {
            $0.shape.count == 2 && $0.columns.isMultiple(of: 32)
        }
        #expect(matrices.allSatisfy { $0.type == .q4_0 })
        #expect(summary.lattices.exact > 0 && summary.lattices.off == 0 && summary.lattices.rounded == 0)
        #expect(converter.latticeLosses.isEmpty)
        #expect(converter.jobs.count { $0.keepsLattice } == matrices.count)
        // A hub folder between is no other.
        try convert(folder.file("plain.gguf"), to: "hub", storage)
        try convert(folder.file("hub"), to: "from-hub.gguf", .q4_0)
        #expect(try values("from-hub.gguf") == values("back.gguf"))
    }

    @Test("So do those of Q4_1, which an importance matrix brings into the mixture")
    func sibling() throws {
        try convert(Fixtures.path("hub/gemma3-text"), to: "codes.gguf", .q4_0) { request in
            request.importance = try ImportanceMatrix(path: Fixtures.path("imatrix/gemma3-text.gguf"))
        }
        try convert(folder.file("codes.gguf"), to: "plain.gguf", .f32)
        let (summary, converter) = try convert(folder.file("plain.gguf"), to: "back.gguf", .q4_0)
        #expect(try values("back.gguf") == values("codes.gguf"))
        let types = try ["codes.gguf", "back.gguf"].map { name in
            try GGUFFile(path: folder.file(name)).tensors.map { "\($0.name) \($0.type)" }
        }
        #expect(types[0] == types[1] && types[0].contains("blk.0.ffn_down.weight Q4_1"))
        #expect(summary.lattices.off == 0 && converter.latticeLosses.isEmpty, "\(converter.latticeLosses)")
    }

    @Test("Without that they are llama-quantize's, and what it loses is told")
    func ignored() throws {
        try make("gemma3-text", storedAs: .bf16)
        let (summary, converter) = try convert(folder.file("plain.gguf"), to: "llama.gguf", .q4_0) {
            $0.keepsLattices = false
        }
        #expect(summary.lattices == LatticeCounts())
        #expect(try values("llama.gguf", as: .bf16) != values("plain.gguf"))
        let losses = converter.latticeLosses
        #expect(Set(losses.map(\.format)) == [.ggml(.q4_0), .ggml(.q8_0)], "\(losses)")
        #expect(losses.reduce(0) { $0 + $1.count } == converter.jobs.count { $0.format.isQuantized })
        #expect(
            losses.allSatisfy { $0.lattice == .ggml(.q4_0) && 0 < $0.relativeError && $0.relativeError < 0.2 }
        )
    }

    @Test("Other types than that of the lattice are told what they lose; types that were asked for stay")
    func otherTypes() throws {
        try make("llama3", storedAs: .bf16)
        let k = try convert(folder.file("plain.gguf"), to: "k.gguf", .q4_k_m).converter.latticeLosses
        #expect(!k.isEmpty && k.allSatisfy { $0.lattice == .ggml(.q4_0) && $0.relativeError > 0.001 }, "\(k)")
        let (_, asked) = try convert(folder.file("plain.gguf"), to: "asked.gguf", .q4_0) {
            $0.plan.embeddingType = .q8_0
        }
        let embedding = try #require(asked.jobs.first { $0.name == "token_embd.weight" })
        #expect(embedding.format == .ggml(.q8_0) && !embedding.keepsLattice)
        #expect(asked.latticeLosses.map(\.format) == [.ggml(.q8_0)])
        // Plain numbers lose nothing.
        #expect(try convert(folder.file("plain.gguf"), to: "f.gguf", .f16).converter.latticeLosses.isEmpty)
    }

    @Test(
        "Codes and scales of int4 come back from BF16, by row and by group, and in Q4_0",
        arguments: [("llama3", .int4), ("qwen2", .int4), ("smollm2", .int4_32)]
            as [(String, QuantizationType)])
    func int4(model: String, type: QuantizationType) throws {
        let source = try ModelCheckpoint(path: Fixtures.path("hub/\(model)"))
        try convert(source.path, to: "codes", type)
        let codes = try HubTensors(folder: folder.file("codes"))
        try convert(source.path, to: "plain", .bf16) { request in
            for tensor in source.tensors where tensor.entry.name.contains("_proj.weight") {
                let values = try #require(codes.values(tensor.entry.name))
                request.replacements[tensor.role] = .encoded(
                    try TrainedWeights.encoded(values, rows: tensor.entry.rows, type: .f32))
            }
        }
        let (summary, _) = try convert(folder.file("plain"), to: "again", type)
        #expect(summary.lattices.off == 0 && summary.lattices.rounded == 0 && summary.lattices.exact > 0)
        let again = try HubTensors(folder: folder.file("again"))
        // A row of 32 is a block of Q4_0.
        let lattices = try CheckpointInspection(path: folder.file("plain")).lattices
        #expect(
            lattices.reduce(0) { $0 + $1.tensors.count } == 7 * source.configuration.layerCount, "\(lattices)"
        )
        #expect(lattices.allSatisfy { $0.scales == .portable })
        for tensor in source.tensors where tensor.entry.name.contains("_proj.weight") {
            #expect(
                again.values(tensor.entry.name) == codes.values(tensor.entry.name), "\(tensor.entry.name)")
        }
        // Every block of such a row is one of Q4_0.
        let q4 = try convert(folder.file("plain"), to: "q4.gguf", .q4_0).converter
        let fitting = q4.jobs.filter { $0.planned.role.isLinear && $0.format == .ggml(.q4_0) }
        #expect(!fitting.isEmpty && fitting.allSatisfy(\.keepsLattice))
    }

    @Test("Calibrated and dithered weights, and what is trained, do not look for one")
    func withoutLooking() throws {
        try make("llama3", storedAs: .bf16)
        let (_, converter) = try convert(folder.file("plain.gguf"), to: "trained.gguf", .q4_0) { request in
            let values = [Float](repeating: 0.5, count: 32 * 256)
            request.replacements[TensorRole(.feedForwardUp, layer: 0)] = .encoded(
                try TrainedWeights.encoded(values, rows: 32, type: .q4_0))
        }
        #expect(converter.jobs.allSatisfy { !$0.keepsLattice } && converter.latticeLosses.isEmpty)
    }
}
