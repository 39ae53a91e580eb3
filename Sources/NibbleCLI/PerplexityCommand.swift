internal import ArgumentParser
internal import Nibble

struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measures how well a model predicts texts, as llama-perplexity does.",
        discussion: """
            Prints llama-perplexity's number: the text is cut in chunks of --context tokens, and the second half of \
            each is scored. With a base model, or a file of its logits, also how far the model's probabilities are \
            from the base's (KL divergence), token by token.

            EXAMPLES
              nibble perplexity gemma.q4_0.gguf --text wiki.test.raw
              What quantization cost, in one pass over both models:
                nibble perplexity gemma.q4_0.gguf --text wiki.test.raw --base gemma.bf16.gguf
              The same through a file, which llama-perplexity can read and write too:
                nibble perplexity gemma.bf16.gguf --text wiki.test.raw --save-logits gemma.logits
                nibble perplexity gemma.q4_0.gguf --logits gemma.logits
            """
    )

    @Argument(help: "A hub folder, or a .gguf file (the first part, if split).")
    var model: String

    @OptionGroup var options: EvaluationOptions

    @Option(
        help: ArgumentHelp(
            "Let chunks overlap: start one every so many tokens and score the last so many of each.",
            valueName: "n"))
    var stride: Int?

    @Option(help: ArgumentHelp("A model to compare with, usually the unquantized one.", valueName: "model"))
    var base: String?

    @Option(
        help: ArgumentHelp("A file of base logits to compare with; it holds the text.", valueName: "file"))
    var logits: String?

    @Option(
        help: ArgumentHelp(
            "Write the model's logits to a file (2 bytes a token of the vocabulary).", valueName: "file"))
    var saveLogits: String?

    @Flag(help: "Replace the file of --save-logits if it exists.")
    var force = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        if logits != nil, !options.text.isEmpty || base != nil || saveLogits != nil || stride != nil {
            throw ValidationError(
                "--logits brings its text along: leave out --text, --base, --stride and --save-logits")
        }
        if options.context.count > 1 {
            throw ValidationError(
                "--context is given \(options.context.count) times; `nibble compare` takes several")
        }
        if logits == nil, options.text.isEmpty { throw ValidationError("name a text with --text FILE") }
        if saveLogits != nil, base != nil || stride != nil || options.text.count > 1 {
            throw ValidationError("--save-logits takes one --text, without --base and --stride")
        }
    }

    func run() throws {
        try Session.run { session in
            var request = options.request(
                models: (base.map { [$0] } ?? []) + [model], context: options.context[0], session)
            request.stride = stride
            request.logits = logits
            request.savedLogits = saveLogits
            request.replacesLogits = force
            let evaluator = try Evaluator(request)
            let evaluation = try options.run(evaluator, session)
            let report = PerplexityReport(evaluation, warnings: evaluator.notes.map(\.description))
            try StandardOutput.print(json ? report.json : report.text)
            try session.endIfInterrupted()
        }
    }
}
