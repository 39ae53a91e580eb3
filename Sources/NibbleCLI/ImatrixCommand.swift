internal import ArgumentParser
internal import Nibble

struct ImatrixCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "imatrix",
        abstract: "Measures how much the input columns of each matrix matter, as llama-imatrix does.",
        discussion: """
            The text passes through the model in chunks. The file holds, for each column of each matrix, the sum of the \
            squares of its inputs: llama-quantize and `nibble convert --imatrix` weigh errors by it. (`nibble convert \
            --calibrate` needs no such file, and loses less.) The same command goes on with a measurement that was stopped.

            EXAMPLES
              nibble imatrix gemma-3-270m --text train.txt -o gemma.imatrix.gguf
              nibble convert gemma-3-270m -o gemma.q4_0.gguf --imatrix gemma.imatrix.gguf
              The next 100 chunks, added to a file that has 100:
                nibble imatrix gemma-3-270m --text train.txt --skip 100 --chunks 200 --add first.gguf -o both.gguf
              Files put together, without a model:
                nibble imatrix --add first.gguf --add second.gguf -o both.gguf
              What a file says of the layers:
                nibble imatrix gemma.imatrix.gguf --statistics
            """
    )

    @Argument(
        help:
            "A hub folder, or a .gguf file (the first part, if split); with --statistics an importance matrix."
    )
    var model: String?

    @OptionGroup var options: EvaluationOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file to write: in llama-imatrix's older form where its name ends in .dat, else in GGUF.",
            valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "Leave out the first chunks, which count for --chunks all the same.", valueName: "n"))
    var skip = 0

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "An importance matrix of the same model to add to what is measured.", valueName: "file"))
    var add: [String] = []

    @Flag(help: "Measure the inputs of the vocabulary head, too, where it is a matrix of its own.")
    var processOutput = false

    @Flag(help: "Print what an importance matrix says of each tensor, and measure nothing.")
    var statistics = false

    @Flag(help: "Replace the output if it exists.")
    var force = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        if options.context.count > 1 {
            throw ValidationError("--context is given \(options.context.count) times, expected once")
        }
        if skip < 0 { throw ValidationError("--skip is \(skip), expected 0 or more") }
        if statistics {
            guard model != nil, options.text.isEmpty, output == nil, add.isEmpty else {
                throw ValidationError("--statistics takes an importance matrix and nothing else")
            }
            return
        }
        guard output != nil else { throw ValidationError("name the file to write with --output FILE") }
        if model == nil {
            guard !add.isEmpty, options.text.isEmpty else {
                throw ValidationError("name a model, or files to put together with --add FILE")
            }
            if processOutput || skip > 0 {
                throw ValidationError("--process-output and --skip are for measuring: name a model")
            }
        } else if options.text.isEmpty {
            throw ValidationError("name a text with --text FILE")
        }
    }

    func run() throws {
        try Session.run { session in
            if statistics, let model {
                let matrix = try ImportanceMatrix(path: model)
                let report = ImportanceStatisticsReport(matrix)
                return try StandardOutput.print(json ? report.json : report.text)
            }
            guard let output else { return }
            guard let model else {
                let matrix = try ImportanceMatrix.merging(
                    add, chunkSize: options.context[0], to: output, replacing: force)
                let report = ImportanceReport(matrix)
                return try StandardOutput.print(json ? report.json : report.text)
            }
            var request = ImportanceRequest(
                model: model, texts: [], output: output, threads: options.threads.count(session))
            request.evaluation = options.request(models: [model], context: options.context[0], session)
            request.replacesOutput = force
            request.skippedChunks = skip
            request.includesHead = processOutput
            request.added = add
            let measurement = try ImportanceMeasurement(request)
            session.warn(measurement.notes)
            let result = try measure(measurement, session)
            let report = ImportanceReport(result)
            try StandardOutput.print(json ? report.json : report.text)
        }
    }

    /// Measures with a line of progress.
    private func measure(
        _ measurement: ImportanceMeasurement, _ session: Session
    ) throws -> ImportanceMeasurement.Result {
        let line = ProgressLine(isQuiet: options.quiet)
        defer { line.finish() }
        return try measurement.run(
            progress: { progress in
                line.update(elapsed: progress.elapsed, ImportanceReport.line(progress))
            }, isCancelled: { session.isInterrupted })
    }
}
