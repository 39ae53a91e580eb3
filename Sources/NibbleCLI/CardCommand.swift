internal import ArgumentParser
internal import Nibble

struct CardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "card",
        abstract: "Writes the card of quantized weights: a README.md as the hub has them.",
        discussion: """
            What the file says of itself: base model, license, how its codes were chosen, the recipe of a run, what was \
            measured and what was not, how to run it.

            EXAMPLES
              nibble card gemma.q4_0.gguf --base-model google/gemma-3-270m -o README.md
              The card of what a run exported, with its recipe:
                nibble card run -o README.md
              With figures and intervals of a comparison, the rows of report.json:
                nibble compare gemma.bf16.gguf gemma.q4_0.gguf --text texts --report report.html
                nibble card gemma.q4_0.gguf --figures report.json
            """
    )

    @Argument(help: "A checkpoint, or a run folder.")
    var path: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write; by default standard output.", valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "The repository on the hub that was quantized, as google/gemma-3-270m.", valueName: "name"))
    var baseModel: String?

    @Option(
        help: ArgumentHelp(
            "The license, as gemma or apache-2.0; by default the checkpoint's.", valueName: "name"))
    var license: String?

    @Option(
        help: ArgumentHelp("The JSON of nibble compare, whose figures the card shows.", valueName: "file"))
    var figures: String?

    @Flag(help: "Replace the output if it exists.")
    var force = false

    func validate() throws {
        guard let baseModel else { return }
        let parts = baseModel.split(separator: "/", omittingEmptySubsequences: false)
        let isName = parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
        }
        guard parts.count == 2, isName else {
            throw ValidationError("--base-model is '\(baseModel)', expected OWNER/NAME as on the hub")
        }
    }

    func run() throws {
        try Session.run { session in
            if let output { try OutputPlace(file: output).check(replacing: force) }
            let run = RunStatus.isRun(path) ? path : nil
            let exported =
                run.map { run in ["model.gguf", "model"].map { FilePath.join(run, $0) } } ?? [path]
            guard let model = exported.first(where: FilePath.exists) else {
                throw CheckpointError(
                    .missing, path: path,
                    run == nil ? "no such checkpoint" : "has no model.gguf and no model",
                    advice: run == nil ? nil : "export it with nibble qat export, and name the file")
            }
            var card = try QuantizationCard(ModelCheckpoint(path: model))
            card.baseModel = baseModel
            if let license { card.license = license }
            if let run { card.recipe = try RunStatus.recipe(of: run).yaml }
            if let figures { try CardFigures(path: figures).add(to: &card) }
            session.warn(card.warnings)
            guard let output else { return try StandardOutput.print(String(card.markdown.dropLast())) }
            let file = HubFile(name: FilePath.name(of: output), contents: Array(card.markdown.utf8))
            let writer = try CheckpointWriter(
                .files([file], folder: FilePath.folder(of: output)), replacing: force)
            try writer.commit(flush: false)
        }
    }
}
