internal import ArgumentParser
internal import Nibble

/// In which form an output is written, and for whom.
struct OutputFormOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The form of the output: \(CheckpointExporters.all.map(\.name).joined(separator: ", ")).",
            discussion: """
                By default what its name and type mean: a file that ends in .gguf is GGUF, a folder is one of the hub. \
                Folders of the codes of q4_0 and q8_0 are asked for by name: mlx (q4_1 as well) and compressed-tensors.
                """,
            valueName: "form"))
    var format: String?

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "The program that is to run it: \(Consumer.allCases.map(\.rawValue).joined(separator: ", ")).",
            discussion: """
                It chooses the form: for ollama a folder with a Modelfile, for lmstudio its folder PUBLISHER/MODEL, for mlx \
                and vllm (compressed-tensors) folders of codes, for gemma.cpp an .sbs of sfp8, for huggingface plain numbers.
                """,
            valueName: "program"))
    var consumer: Consumer?

    @Flag(
        help: ArgumentHelp(
            "Put it into the program's own folder of models, under the name that --output gives.",
            discussion: """
                With --for ollama (OLLAMA_MODELS, or ~/.ollama/models) and -o MODEL[:TAG], or with --for lmstudio \
                (LMSTUDIO_HOME/models, or ~/.lmstudio/models) and -o PUBLISHER/MODEL.
                """))
    var install = false

    /// Who writes it; nil where the output's name and type decide.
    var exporter: (any CheckpointExporter)? {
        consumer?.exporter ?? format.flatMap(CheckpointExporters.named)
    }

    func validate() throws {
        if format != nil, consumer != nil {
            throw ValidationError("--for chooses a form, and so does --format: give one")
        }
        if let format, CheckpointExporters.named(format) == nil {
            let names = CheckpointExporters.all.map(\.name).joined(separator: ", ")
            throw ValidationError("--format is '\(format)', expected \(names)")
        }
        if install, consumer?.hasStore != true {
            let names = Consumer.allCases.filter(\.hasStore).map(\.rawValue).joined(separator: " or ")
            throw ValidationError("--install is for --for \(names)")
        }
    }

    /// Checks the name of an output.
    func validate(output: String) throws {
        guard let exporter, !install else { return }
        let endings = CheckpointExporters.all.compactMap(\.fileEnding)
        let ending = endings.first { output.lowercased().hasSuffix($0) }
        let asked = consumer.map { "--for \($0.rawValue)" } ?? exporter.name
        if let own = exporter.fileEnding, own != ending {
            throw ValidationError("\(asked) is a file: name an output that ends in \(own), not '\(output)'")
        }
        if exporter.fileEnding == nil, ending != nil {
            throw ValidationError("\(asked) is a folder: name one as output, not '\(output)'")
        }
    }

    /// Where the output goes, and what is done with it after.
    func destination(_ output: String) throws(CheckpointError) -> OutputDestination {
        guard install, let consumer else {
            return OutputDestination(path: output, exporter: exporter, consumer: consumer, store: nil)
        }
        let store = try ModelStore(consumer, name: output, environment: Session.environment)
        return OutputDestination(
            path: store.output, exporter: store.exporter, consumer: consumer, store: store)
    }
}

/// Where an output goes, and what is done with it after.
struct OutputDestination {
    /// Its path.
    let path: String
    /// Who writes it; nil where name and type decide.
    let exporter: (any CheckpointExporter)?
    let consumer: Consumer?
    let store: ModelStore?

    /// Makes the folders that a program's own folder of models needs.
    func prepare(replacing: Bool) throws(CheckpointError) {
        if let store {
            try store.prepare(replacing: replacing)
        } else if consumer == .lmStudio {
            // PUBLISHER/MODEL.
            try FilePath.makeFolder(FilePath.folder(of: path))
        }
    }

    /// Puts the output where its program finds it, and says how to run it.
    func finish(_ type: QuantizationType) throws(CheckpointError) -> String? {
        try store?.finish(type)
        return (store?.nextStep ?? consumer?.nextStep(path)).map { "run it: \($0)" }
    }
}
