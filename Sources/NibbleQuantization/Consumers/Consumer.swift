internal import NibbleCheckpoint

/// A program that runs what is written, and the form that it reads.
///
/// ```swift
/// let consumer = Consumer(rawValue: "ollama")!
/// request.exporter = consumer.exporter
/// ```
public enum Consumer: String, CaseIterable, Sendable {
    case llamaCpp = "llama.cpp"
    case ollama
    case lmStudio = "lmstudio"
    case mlx
    case gemmaCpp = "gemma.cpp"
    case huggingFace = "huggingface"
    case vLLM = "vllm"

    /// Who writes its form.
    public var exporter: any CheckpointExporter {
        switch self {
        case .llamaCpp: CheckpointExporters.gguf
        case .ollama: CheckpointExporters.ollama
        case .lmStudio: CheckpointExporters.lmStudio
        case .mlx: CheckpointExporters.mlx
        case .gemmaCpp: CheckpointExporters.sbs
        case .huggingFace: CheckpointExporters.hub
        case .vLLM: CheckpointExporters.compressedTensors
        }
    }

    /// Whether it has a folder of models that outputs can be put into (``ModelStore``).
    public var hasStore: Bool { self == .ollama || self == .lmStudio }

    /// How to run an output, in one line; nil where that is no single command.
    ///
    /// - Parameter output: the path of the output.
    public func nextStep(_ output: String) -> String? {
        let file = GGUFCheckpoint.fileName(inFolder: output)
        return switch self {
        case .llamaCpp: "llama-cli -m \(output)"
        case .ollama:
            "ollama create \(file.droppingSuffix(".gguf")) -f \(FilePath.join(output, "Modelfile"))"
        case .lmStudio: "lms import \(FilePath.join(output, file))"
        case .mlx: "mlx_lm.generate --model \(output) --prompt \"...\""
        case .gemmaCpp: "gemma --weights \(output)"
        case .huggingFace: nil
        case .vLLM: "vllm serve \(output)"
        }
    }
}
