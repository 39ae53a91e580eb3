internal import ArgumentParser
internal import Nibble

struct QATExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes what a run trained, at any time.",
        discussion: """
            A GGUF file holds the blocks that were trained on, bit for bit; so does a folder of a run for int4 or sfp8. \
            Any other folder, and theirs with --type f32, is the "unquantized QAT" checkpoint: its weights lie on their \
            grid, so that converting it gives the same blocks (docs/export.md).

            EXAMPLES
              nibble qat export run -o gemma.qat.gguf
              nibble qat export run -o gemma-qat-unquantized --state best
              nibble qat export run -o gemma-qat-mlx --for mlx
            """
    )

    @Argument(help: "The run folder.")
    var path: String

    @Option(name: .shortAndLong, help: "A path that ends in .gguf, or else a folder for safetensors.")
    var output: String

    @OptionGroup var form: OutputFormOptions

    @Option(help: ArgumentHelp("Which saved state: last, best, or a step.", valueName: "state"))
    var state: ExportState = .init(state: .last)

    @Option(help: ArgumentHelp("The teacher, where it has moved.", valueName: "path"))
    var teacher: String?

    @Option(
        help: ArgumentHelp(
            "Type of trained matrices in a folder: f32 or f16; by default the run's own where that is int4 or sfp8, "
                + "else f32.", valueName: "type"))
    var type: QuantizationType?

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "Replace the output if it exists.")
    var force = false

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    func validate() throws {
        try form.validate(output: output)
        guard let type, type.isGGUF, ![.f32, .f16, .bf16].contains(type) else { return }
        throw ValidationError("a folder holds f32, f16 or bf16, not \(type.rawValue)")
    }

    func run() throws {
        try Session.run { session in
            var export = RunExport(path: path)
            export.state = state.state
            export.teacher = teacher
            export.folderType = type
            export.replacesOutput = force
            export.level = session.kernels
            let progress = ProgressLine(isQuiet: quiet)
            let destination = try form.destination(output)
            let trained = try RunStatus(path: path).type
            let exporter =
                destination.exporter ?? CheckpointExporters.guess(output: output, type: type ?? trained)
            try destination.prepare(replacing: force)
            let summary = try export.write(
                to: destination.path, exporter: exporter, threads: threads.count(session),
                version: NibbleVersion.current,
                progress: { progress.update(elapsed: $0.elapsed, ConversionReport.line($0)) },
                isCancelled: { session.isInterrupted })
            progress.finish()
            session.warn(summary.notes)
            try StandardOutput.print("\(output): \(Text.bytes(summary.outputBytes))")
            if let report = summary.export { try StandardOutput.print("\(report)") }
            if let next = try destination.finish(trained) { try StandardOutput.print(next) }
        }
    }
}

/// `last`, `best` or a step.
struct ExportState: ExpressibleByArgument {
    var state: RunExport.State

    init(state: RunExport.State) { self.state = state }

    init?(argument: String) {
        switch argument.lowercased() {
        case "last": state = .last
        case "best": state = .best
        default:
            guard let step = Int(argument), step >= 0 else { return nil }
            state = .step(step)
        }
    }

    var defaultValueDescription: String { "last" }
}
