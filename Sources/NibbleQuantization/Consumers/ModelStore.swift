internal import CLibrary
public import NibbleCheckpoint

/// The folder in which a program keeps its models, and a model's place there: what `--install` writes to.
///
/// ```swift
/// let store = try ModelStore(.ollama, name: "gemma-3-270m:q4_0", environment: ProcessInfo.processInfo.environment)
/// request.output = store.output
/// ```
public struct ModelStore: Sendable {
    /// The program.
    public let consumer: Consumer
    /// Who writes to ``output``.
    public var exporter: any CheckpointExporter {
        consumer == .ollama ? CheckpointExporters.gguf : consumer.exporter
    }
    /// Where the conversion writes to.
    public let output: String
    /// What the model is called there.
    public let name: String

    private let folder: String
    private let ollamaName: OllamaName?

    /// Finds the folder: `OLLAMA_MODELS` or `~/.ollama/models`; `LMSTUDIO_HOME/models` or `~/.lmstudio/models`.
    ///
    /// - Parameters:
    ///   - name: for Ollama `[NAMESPACE/]MODEL[:TAG]`, for LM Studio `PUBLISHER/MODEL`.
    ///   - environment: the variables of the process.
    /// - Throws: `CheckpointError` where the folder does not exist, or the name is none.
    public init(
        _ consumer: Consumer, name: String, environment: [String: String]
    ) throws(CheckpointError) {
        let home = environment["HOME"] ?? ""
        self.consumer = consumer
        self.name = name
        switch consumer {
        case .ollama:
            folder = environment["OLLAMA_MODELS"] ?? FilePath.join(home, ".ollama/models")
            let own = try OllamaName(name)
            ollamaName = own
            output = FilePath.join(FilePath.join(folder, "nibble"), own.fileName)
        case .lmStudio:
            let root = environment["LMSTUDIO_HOME"] ?? FilePath.join(home, ".lmstudio")
            folder = FilePath.join(root, "models")
            let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, parts.allSatisfy({ FilePath.isPlainName($0) && !$0.hasPrefix(".") })
            else {
                throw CheckpointError(
                    .invalidRequest, path: name, "is no name in LM Studio's folder of models",
                    advice: "give PUBLISHER/MODEL, such as -o me/gemma-3-270m-q4_0")
            }
            ollamaName = nil
            output = FilePath.join(folder, name)
        default: preconditionFailure("\(consumer) has no store")
        }
        guard FilePath.isFolder(folder) else {
            let variable = consumer == .ollama ? "OLLAMA_MODELS" : "LMSTUDIO_HOME"
            throw CheckpointError(
                .missing, path: folder, "is not there, where \(consumer.rawValue) keeps its models",
                advice: "start it once, or set \(variable)")
        }
    }

    /// Makes the folder around ``output``.
    ///
    /// - Parameter replacing: whether a model of the name may be replaced.
    /// - Throws: `CheckpointError` where it may not and there is one, or the folder cannot be made.
    public func prepare(replacing: Bool) throws(CheckpointError) {
        if let ollamaName, !replacing {
            let manifest = OllamaStore(folder: folder).manifest(of: ollamaName)
            guard !FilePath.exists(manifest) else {
                throw CheckpointError(
                    .invalidRequest, path: manifest, "is a model of this name already",
                    advice: "--force replaces it")
            }
        }
        try FilePath.makeFolder(FilePath.folder(of: output))
        // What a killed run left, in a folder of Nibble's own.
        if ollamaName != nil { unlink(output) }
    }

    /// Puts what was written to ``output`` where the program finds it.
    ///
    /// - Parameter type: what it was converted to.
    /// - Throws: `CheckpointError` where a file cannot be read or written.
    public func finish(_ type: QuantizationType) throws(CheckpointError) {
        guard let ollamaName else { return }
        try OllamaStore(folder: folder).install(output, as: ollamaName, type: type)
    }

    /// How to run it.
    public var nextStep: String {
        ollamaName.map { "ollama run \($0)" } ?? "lms load \(name)"
    }
}
