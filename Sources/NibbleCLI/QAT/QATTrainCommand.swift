internal import ArgumentParser
internal import Nibble

struct QATTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Trains toward the unquantized checkpoint's probabilities.",
        discussion: """
            The run folder holds the recipe with everything resolved, figures (metrics.jsonl, and TensorBoard's \
            events), a log and saved states. A run that was interrupted or killed goes on with --resume, to the same \
            bits. At the end the GGUF file is exported into the run folder; for int4 and sfp8, which GGUF lacks, a hub \
            folder.

            EXAMPLES
              The defaults, on a text file:
                nibble qat gemma-3-270m --text wiki.train.txt --output run
              A recipe, more steps, another text held out, exported to a place of your own:
                nibble qat gemma-3-270m --text texts --held-out dev.txt --recipe Recipes/gemma-3-270m.yaml \\
                  --steps 1000 --output run --export gemma.qat.gguf
              Any field of the recipe (docs/recipes.md):
                nibble qat gemma-3-270m --text texts --output run --set optimizer.code_learning_rate=0.01
              Without any text: the checkpoint writes it:
                nibble qat gemma-3-270m --text self --output run
              Calibrated (GPTQ, YAQA), as training begins, and no more: minutes:
                nibble qat gemma-3-270m --text wiki.train.txt --output run --steps 0
              Kinds of text, with shares:
                nibble qat gemma-3-270m --text code=code.jsonl prose=books --set "train.mixture={code: 0.3, prose: 0.7}" \\
                  --output run
              On after an interrupt:
                nibble qat gemma-3-270m --text texts --output run --resume
            """
    )

    @Argument(
        help: "The unquantized checkpoint: a hub folder, a .safetensors file or index, or a .gguf file.")
    var teacher: String

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp(
            "Training text: files, folders, .jsonl files or pipes, - for standard input; NAME=PATH for a kind of "
                + "train.mixture; 'self' for text that the checkpoint writes itself.",
            valueName: "path"))
    var text: [String]

    @Option(
        help: ArgumentHelp("Sequences that the checkpoint writes at most, with --text self.", valueName: "n"))
    var selfSequences = 256

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp(
            "Text to measure progress on; by default some of the training text is held out.",
            valueName: "path"))
    var heldOut: [String] = []

    @Option(help: ArgumentHelp("Field of .jsonl lines that holds the text.", valueName: "name"))
    var textField = "text"

    @Option(name: .shortAndLong, help: ArgumentHelp("The run folder.", valueName: "folder"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "The probabilities of a cached teacher (teacher.kind): a file to use, or to make where there is none; by "
                + "default RUN/teacher.cache.", valueName: "file"))
    var teacherCache: String?

    @Option(help: ArgumentHelp("A recipe (YAML); see Recipes/ and docs/recipes.md.", valueName: "file"))
    var recipe: String?

    @Option(
        help: ArgumentHelp(
            "quantization.type of the recipe: q4_0, q4_k_m, ..., int4_32, sfp8.", valueName: "type"))
    var type: String?

    @Option(help: ArgumentHelp("train.steps of the recipe.", valueName: "n"))
    var steps: Int?

    @Option(help: ArgumentHelp("train.seed of the recipe.", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("train.sequence_length of the recipe.", valueName: "n"))
    var sequenceLength: Int?

    @Option(help: ArgumentHelp("train.precision of the recipe: auto, bf16 or f32.", valueName: "precision"))
    var precision: String?

    @Option(
        help: ArgumentHelp("A field of the recipe; may be repeated.", valueName: "section.field=value"))
    var set: [RecipeOverride] = []

    @Flag(help: "Go on with the run in the output folder; begin it where there is none.")
    var resume = false

    @Option(
        help: ArgumentHelp(
            "Where to export at the end: a .gguf file or a folder; by default RUN/model.gguf, and RUN/model for int4 "
                + "and sfp8.",
            valueName: "path"))
    var export: String?

    @Option(
        help: ArgumentHelp("Memory that may be used, as 8G; by default this machine's.", valueName: "size"))
    var memory: ByteSize?

    @Flag(help: "Replace what is at --export already.")
    var force = false

    @OptionGroup var threads: ThreadOptions

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        if text.isEmpty { throw ValidationError("name training text with --text PATH, or --text self") }
        for (option, value) in [("output", output), ("export", export), ("teacher-cache", teacherCache)]
        where value == "" { throw ValidationError("--\(option) is empty") }
        if selfSequences < 1 {
            throw ValidationError("--self-sequences is \(selfSequences), expected 1 or more")
        }
    }

    func run() throws {
        try Session.run { session in
            let count = threads.count(session)
            let progress = ProgressLine(isQuiet: quiet)
            let opening = ContinuousClock.now
            var request = try request(threads: count)
            request.level = session.kernels
            let type = request.recipe.quantization.type
            let target = export ?? output + (type.isGGUF ? "/model.gguf" : "/model")
            // Not only after hours of training.
            let exporter = CheckpointExporters.guess(output: target, type: type)
            if exporter.fileEnding != nil { try exporter.check(type, output: target) }
            if let export {
                try RunExport.checkPlace(
                    export, exporter: exporter, run: output, teacher: teacher, replacing: force)
            }
            let run = try Trainer(request).prepare(
                progress: { progress.update(elapsed: opening.duration(to: .now), $0.line) },
                isCancelled: { session.isInterrupted })
            progress.finish()
            session.warn(run.warnings)
            progress.note(TrainingReport.banner(run))
            let notes = run.notes
            for note in notes { progress.note("note: " + note) }
            let start = ContinuousClock.now
            var summary = try run.train(
                progress: { progress.update(elapsed: start.duration(to: .now), TrainingReport.line($0)) },
                preparing: { progress.update(elapsed: start.duration(to: .now), $0.line) },
                isCancelled: { session.isInterrupted })
            progress.finish()
            for note in run.notes.dropFirst(notes.count) { progress.note("note: " + note) }
            guard summary.ending != .interrupted else {
                let report = TrainingReport(run, summary, output: output)
                progress.note(report.resumption)
                if json { try StandardOutput.print(report.json(exported: nil)) }
                return try session.endIfInterrupted()
            }
            let written = try run.export(
                to: target, exporter: exporter, replacesOutput: true, isCancelled: { session.isInterrupted })
            session.warn(written.notes.filter { !run.warnings.contains($0) })
            summary.peakResidentBytes = run.peakResidentBytes
            let report = TrainingReport(run, summary, output: output)
            try StandardOutput.print(
                json ? report.json(exported: target) : report.text(exported: target, written))
        }
    }

    private func request(threads: Int) throws -> TrainingRequest {
        var request = TrainingRequest(
            teacher: teacher, texts: text.filter { $0 != InputText.own }, output: output, threads: threads,
            version: NibbleVersion.current)
        if text.contains(InputText.own) { request.selfSequences = selfSequences }
        request.teacherCache = teacherCache
        request.heldOutTexts = heldOut
        request.textField = textField
        request.resumes = resume
        request.memoryLimit = memory?.bytes
        if let recipe {
            request.recipe = try Recipe(path: recipe)
            request.recipePath = recipe
        }
        let shortcuts: [(String, String?)] = [
            ("quantization.type", type), ("train.steps", steps.map(String.init)),
            ("train.seed", seed.map(String.init)), ("train.sequence_length", sequenceLength.map(String.init)),
            ("train.precision", precision),
        ]
        for (field, value) in shortcuts {
            if let value { try request.recipe.set(field, to: value) }
        }
        // A short run is not all warm-up.
        if steps != nil, !set.contains(where: { $0.field == "schedule.warmup_steps" }) {
            request.recipe.schedule.warmupSteps = min(
                request.recipe.schedule.warmupSteps, request.recipe.train.steps)
        }
        for override in set { try request.recipe.set(override.field, to: override.value) }
        return request
    }
}

/// `section.field=value`.
struct RecipeOverride: ExpressibleByArgument {
    var field: String
    var value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
        field = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}
