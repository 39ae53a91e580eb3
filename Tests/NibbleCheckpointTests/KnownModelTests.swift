import NibbleCheckpoint
import NibbleQuantization
import Testing

@Suite("Models whose shapes are known by name")
struct KnownModelTests {
    /// Published numbers of parameters: of Gemma 3 in its report (vocabulary rows of padding left out there, and counted
    /// here), of the others on their pages on the hub, where they are given in billions with two digits.
    private static let published: [(String, Double, Double)] = [
        ("gemma-3-270m", 0.268_098_176, 0), ("gemma-3-1b", 0.999_885_952, 0),
        ("gemma-3-4b", 3.880_099_328 + 64 * 2560e-9, 1e-6),
        ("gemma-3-12b", 11.765_788_416 + 64 * 3840e-9, 1e-6),
        ("gemma-3-27b", 27.009_002_240 + 64 * 5376e-9, 1e-6), ("llama-3.2-1b", 1.24, 0.005),
        ("llama-3.2-3b", 3.21, 0.005), ("llama-3.1-8b", 8.03, 0.005), ("llama-3.3-70b", 70.55, 0.01),
        ("qwen2.5-0.5b", 0.49, 0.005), ("qwen2.5-1.5b", 1.54, 0.005), ("qwen2.5-3b", 3.09, 0.005),
        ("qwen2.5-7b", 7.62, 0.005), ("qwen2.5-14b", 14.77, 0.005), ("qwen2.5-32b", 32.76, 0.006),
        ("qwen2.5-72b", 72.71, 0.01), ("qwen3-0.6b", 0.596, 0.001), ("qwen3-1.7b", 1.72, 0.005),
        ("qwen3-4b", 4.02, 0.005), ("qwen3-8b", 8.19, 0.005), ("qwen3-14b", 14.77, 0.005),
        ("qwen3-32b", 32.76, 0.006), ("smollm2-135m", 0.134_515_008, 0),
        ("smollm2-360m", 0.361_821_120, 0), ("smollm2-1.7b", 1.711_376_384, 0),
    ]

    @Test("have as many parameters as are published", arguments: published)
    func parameters(name: String, billions: Double, tolerance: Double) throws {
        let model = try KnownModel.named(name)
        // What llama.cpp's converter computes is no parameter.
        let tensors = QuantizationPlan(.bf16).resolve(model.configuration).tensors.filter {
            $0.role.kind != .ropeFrequencies
        }
        let count = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
        #expect(abs(Double(count) / 1e9 - billions) <= tolerance + 1e-12, "\(count)")
    }

    @Test("are found by the names of their variants, and others are not")
    func names() throws {
        for name in ["gemma-3-4b", "google/gemma-3-4b-it", "Gemma-3-4B-PT"] {
            #expect(try KnownModel.named(name).name == "gemma-3-4b")
        }
        #expect(try KnownModel.named("meta-llama/Meta-Llama-3-8B-Instruct").name == "llama-3-8b")
        #expect(try KnownModel.named("Qwen/Qwen3-0.6B-Base").name == "qwen3-0.6b")
        let near = #expect(throws: CheckpointError.self) { try KnownModel.named("gema-3-4b") }
        #expect(
            near?.description.contains("did you mean 'gemma-3-4b'?") == true, "\(String(describing: near))")
        let far = #expect(throws: CheckpointError.self) { try KnownModel.named("something-else-entirely") }
        #expect(far?.description.contains("known are gemma-3-270m, ") == true)
    }

    @Test("have vision where the published ones do")
    func vision() throws {
        let counts = try ["270m", "1b", "4b", "12b", "27b"].map {
            try KnownModel.named("gemma-3-" + $0).visionParameterCount - 416_866_032
        }
        #expect(counts == [-416_866_032, -416_866_032, 2_950_272, 4_424_832, 6_194_304])
    }
}
