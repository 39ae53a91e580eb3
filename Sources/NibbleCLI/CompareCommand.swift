internal import ArgumentParser
internal import Nibble

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compares models with an unquantized one: perplexity, divergence, size.",
        discussion: """
            One row a model, from one pass over the texts. "recovered" is the share of the first model's loss in \
            perplexity that a later one wins back: name the plain quantization first.

            Texts of several documents give intervals over documents beside the errors over tokens, which take tokens \
            for independent measurements. Several texts also give each text, their average and the worst one.

            EXAMPLES
              nibble compare gemma.bf16.gguf gemma.q4_0.gguf gemma.q4_0-imatrix.gguf gemma.qat.gguf --text wiki.test.raw
              nibble compare gemma-3-270m gemma.q4_0.gguf --text a.txt b.txt --chunks 40 --markdown
              The same as a page to show around:
                nibble compare gemma.bf16.gguf gemma.q4_0.gguf gemma.qat.gguf --text texts --report report.html
              Kinds of text, each a folder of documents, at two contexts:
                nibble compare gemma.bf16.gguf gemma.q4_0.gguf --text code=evaluation/code verse=evaluation/verse \
                    --context 512 4096
            """
    )

    @Argument(help: "The model that the others are compared with, usually the unquantized one.")
    var base: String

    @Argument(help: "The others.")
    var models: [String]

    @OptionGroup var options: EvaluationOptions

    @Option(
        help: ArgumentHelp(
            "Measure divergence from this model as well, as from a trained one before it was rounded.",
            valueName: "model"))
    var alsoAgainst: String?

    @Option(
        help: ArgumentHelp(
            "Write a page of HTML that needs nothing else, with JSON and Markdown beside it: a file that ends in .html, or a "
                + "folder for report.html.",
            valueName: "path"))
    var report: String?

    @Option(
        name: .customLong("run"), parsing: .upToNextOption,
        help: ArgumentHelp(
            "Runs of nibble qat whose training curves the report shows; a model that lies in its run folder brings its run "
                + "along.",
            valueName: "folder"))
    var runs: [String] = []

    @Flag(help: "Replace the report if it exists.")
    var force = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @Flag(help: "Print the table as Markdown.")
    var markdown = false

    func validate() throws {
        if options.text.isEmpty { throw ValidationError("name a text with --text FILE") }
        if force, report == nil { throw ValidationError("--force is for --report") }
        if !runs.isEmpty, report == nil { throw ValidationError("--run is for --report") }
        if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
    }

    func run() throws {
        try Session.run { session in
            let files = try report.map { path throws(CheckpointError) in
                try ReportFiles(path, replacing: force)
            }
            let training = try report.map { _ in try ReportRuns(models: models, paths: runs) }
            session.warn(training?.notes ?? [])
            var reports: [ComparisonReport] = []
            var first: Evaluator?
            for context in options.context where !session.isInterrupted {
                var request = options.request(models: [base] + models, context: context, session)
                request.secondBase = alsoAgainst
                let evaluator = try Evaluator(request)
                let evaluation = try options.run(evaluator, session)
                let report = ComparisonReport(
                    evaluation, warnings: evaluator.notes.map(\.description) + (training?.notes ?? []))
                reports.append(report)
                if first == nil { first = evaluator }
                guard !json else { continue }
                let title = options.context.count > 1 ? "\(context) tokens of context\n\n" : ""
                let space = reports.count > 1 ? "\n\n" : ""
                try StandardOutput.print(space + title + (markdown ? report.markdown : report.text))
            }
            if let files, let training, let first {
                reports[0].weightErrors = reports[0].measureWeights(first)
                reports[0].training = training.json
                let page = ComparisonPage(
                    reports.map(\.result), rows: reports.map(\.rows), passages: reports[0].passages(first),
                    weightErrors: reports[0].weightErrors, training: training.sections,
                    facts: try ReportFacts(first, session, options).lines, warnings: reports[0].warnings)
                try files.write(
                    html: page.html, json: ComparisonReport.json(reports),
                    markdown: reports.map(\.markdown).joined(separator: "\n\n"))
                if !json { try StandardOutput.print("\nreport in \(files.page)") }
            }
            if json { try StandardOutput.print(ComparisonReport.json(reports)) }
            try session.endIfInterrupted()
        }
    }
}
