public import NibbleCheckpoint
internal import NibbleNumerics

/// Writes checkpoints in the form that one consumer reads: names, values, and what stands beside the tensors.
///
/// An exporter describes an output; ``Converter`` reads, transforms, encodes and writes. A new one is a folder beside
/// the others, and is named in ``CheckpointExporters``.
public protocol CheckpointExporter: Sendable {
    /// What it is asked for by: `gguf`.
    var name: String { get }

    /// What the name of a file ends in, lower case; nil where the output is a folder.
    var fileEnding: String? { get }

    /// The type that is written where none is asked for.
    var defaultType: QuantizationType { get }

    /// Whether an importance matrix, and the plan's options for single tensors, change what is written.
    var usesPlanOptions: Bool { get }

    /// How a folder that is called `name` is run, in Markdown for its card; nil where `transformers` loads it.
    func howToRun(_ name: String) -> String?

    /// Checks that the output can hold a type.
    ///
    /// - Parameter output: the path of the output, for the error.
    /// - Throws: ``CheckpointError`` (`invalidRequest`) that says what can hold it.
    func check(_ type: QuantizationType, output: String) throws(CheckpointError)

    /// What stands in the output for a tensor of `model`; nil where nothing does.
    ///
    /// - Throws: ``CheckpointError`` where the output cannot hold it.
    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor?

    /// The files of the output, with what stands beside the tensors.
    ///
    /// - Parameters:
    ///   - tensors: the parts of all exported tensors, outside of blocks first, then block by block, names in
    ///     alphabetical order.
    ///   - notes: takes what the user should know of the source.
    /// - Throws: ``CheckpointError`` where the output cannot say what the model computes.
    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout
}

extension CheckpointExporter {
    /// Nil.
    public func howToRun(_ name: String) -> String? { nil }
}

/// The exporters that there are.
public enum CheckpointExporters {
    /// GGUF files with the names, order and metadata of llama-quantize's.
    public static let gguf: any CheckpointExporter = GGUFExporter()
    /// Hub folders of F32, F16 or BF16, or of the values of SFP8.
    public static let hub: any CheckpointExporter = HubExporter()
    /// Hub folders of int4, Q4_0 or Q8_0 in the form of compressed-tensors.
    public static let compressedTensors: any CheckpointExporter = CompressedTensorsExporter()
    /// Files of gemma.cpp, of SFP8 and BF16.
    public static let sbs: any CheckpointExporter = SBSExporter()
    /// Folders that mlx-lm loads, of Q4_0, Q4_1 and Q8_0.
    public static let mlx: any CheckpointExporter = MLXExporter()
    /// Folders of a GGUF file and a Modelfile.
    public static let ollama: any CheckpointExporter = OllamaExporter()
    /// Folders of a GGUF file as LM Studio has them.
    public static let lmStudio: any CheckpointExporter = LMStudioExporter()
    /// All of them.
    public static let all = guessed + [mlx, ollama, lmStudio]
    /// Those that ``guess(output:type:)`` tries, in this order: the others are asked for by name.
    private static let guessed = [gguf, hub, compressedTensors, sbs]

    /// The exporter of a name.
    public static func named(_ name: String) -> (any CheckpointExporter)? { all.first { $0.name == name } }

    /// The exporter that a command line means by a path and a type: the first whose outputs are called so, and which
    /// holds the type. Folders of GGUF's block types are asked for by name.
    public static func guess(output: String, type: QuantizationType?) -> any CheckpointExporter {
        let ending = guessed.compactMap(\.fileEnding).first {
            FilePath.trimmingSlashes(output).lowercased().hasSuffix($0)
        }
        let candidates = guessed.filter { $0.fileEnding == ending }
        let holder = candidates.first { exporter in
            guard let type else { return true }
            if ending == nil, type.isGGUF, type.format.isQuantized { return false }
            return (try? exporter.check(type, output: output)) != nil
        }
        return holder ?? candidates[0]
    }
}
