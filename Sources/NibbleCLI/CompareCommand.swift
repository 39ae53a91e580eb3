internal import ArgumentParser
internal import Nibble

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compares models with an unquantized one: perplexity, divergence, size.",
        discussion: """
            One row a model, from one pass over the texts. "recovered" is the share of the first model's loss in \
            perplexity that a later one wins back: name the plain quantization first.

            EXAMPLES
              nibble compare gemma.bf16.gguf gemma.q4_0.gguf gemma.q4_0-imatrix.gguf gemma.qat.gguf --text wiki.test.raw
              nibble compare gemma-3-270m gemma.q4_0.gguf --text a.txt b.txt --chunks 40 --markdown
            """
    )

    @Argument(help: "The model that the others are compared with, usually the unquantized one.")
    var base: String

    @Argument(help: "The others.")
    var models: [String]

    @OptionGroup var options: EvaluationOptions

    @Flag(help: "Print the result as JSON.")
    var json = false

    @Flag(help: "Print the table as Markdown.")
    var markdown = false

    func validate() throws {
        if options.text.isEmpty { throw ValidationError("name a text with --text FILE") }
        if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
    }

    func run() throws {
        try Session.run { session in
            let evaluator = try Evaluator(options.request(models: [base] + models, session))
            let evaluation = try options.run(evaluator, session)
            let report = ComparisonReport(evaluation, warnings: evaluator.notes.map(\.description))
            try StandardOutput.print(json ? report.json : markdown ? report.markdown : report.text)
            try session.endIfInterrupted()
        }
    }
}
