import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("A plan resolved for a model")
struct ResolvedPlanTests {
    private func model(_ name: String) throws -> ModelCheckpoint {
        try ModelCheckpoint(path: Fixtures.path("hub/" + name))
    }

    @Test(
        "says what a conversion writes, tensor by tensor, whatever the source",
        arguments: Fixtures.hubNames, [QuantizationType.q4_0, .q4_k_m, .bf16])
    func conversion(name: String, type: QuantizationType) throws {
        let folder = try TemporaryFolder()
        for source in [name, name + ".expected.gguf"] {
            let model = try model(source)
            let plan = try QuantizationPlan(type).resolve(model)
            var request = ConversionRequest(
                input: model.path, output: folder.file("out.gguf"), exporter: CheckpointExporters.gguf,
                plan: QuantizationPlan(type), threads: 2)
            request.replacesOutput = true
            try Converter(request).run()
            let written = try GGUFFile(path: request.output).tensors
            #expect(written.map(\.name) == plan.tensors.map(\.name))
            #expect(written.map(\.shape) == plan.tensors.map(\.shape))
            let formats = written.map { WeightFormat.ggml($0.type) }
            #expect(formats == plan.tensors.map(\.format))
            for tensor in plan.tensors {
                #expect(tensor.reason != .kept || tensor.format == tensor.kept)
                #expect(plan[tensor.role]?.name == tensor.name)
            }
        }
    }

    @Test("has the tensor that a GGUF file of Llama 3 has and a hub folder has not")
    func computed() throws {
        let role = TensorRole(.ropeFrequencies)
        let model = try model("llama3")
        let tensor = try #require(try QuantizationPlan(.q4_0).resolve(model)[role])
        #expect(tensor.name == "rope_freqs.weight" && tensor.format == .ggml(.f32) && tensor.reason == .kept)
        guard case .computed(let values) = tensor.source else {
            Issue.record("the values are those of the configuration")
            return
        }
        #expect(tensor.shape == [values.count])
        #expect(try QuantizationPlan(.q4_0).resolve(self.model("qwen2"))[role] == nil)
    }

    @Test("gives formats of folders to the matrices of blocks alone")
    func folderTypes() throws {
        let plan = try QuantizationPlan(.int4).resolve(model("gemma3-text"))
        for tensor in plan.tensors {
            let isQuantized = tensor.format == .int4(group: nil)
            #expect(isQuantized == tensor.role.isLinear, "\(tensor.name)")
        }
        let quantized = try QuantizationPlan(.sfp8).resolve(model("gemma3-text.expected.gguf"))
        #expect(quantized[TensorRole(.feedForwardUp, layer: 0)]?.format == .sfp8)
    }

    @Test("names the overrides that nothing matches")
    func overrides() throws {
        var plan = QuantizationPlan(.q4_0)
        plan.overrides = [
            try .init(pattern: "ffn_down", type: .q5_0), try .init(pattern: "norm", type: .f16),
            try .init(pattern: "mlp", type: .f16),
        ]
        let resolved = try plan.resolve(model("qwen2"))
        #expect(resolved.unusedOverrides.map(\.pattern) == ["norm", "mlp"])
        #expect(resolved[TensorRole(.feedForwardDown, layer: 0)]?.reason == .override)
    }
}
