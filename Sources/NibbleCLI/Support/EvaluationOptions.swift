internal import ArgumentParser
internal import Nibble

/// What `perplexity` and `compare` have in common.
struct EvaluationOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .upToNextOption,
        help: ArgumentHelp(
            "Text files or pipes, of any bytes, - for standard input; folders and .jsonl files of documents; NAME=PATH.",
            discussion: """
                Each text is cut in chunks on its own. The files of a folder are documents of one text, and so are the \
                lines of a .jsonl file ({"text": "..."}): intervals are measured over documents. Conversations \
                ({"messages": [{"role": "user", "content": "..."}, ...]}) are written by the first model's chat template, \
                each from an empty context, and the answers alone are scored.
                """,
            valueName: "file"))
    var text: [String] = []

    @Option(
        name: .shortAndLong, parsing: .upToNextOption,
        help: ArgumentHelp("Tokens of a chunk; `compare` takes several.", valueName: "n"))
    var context: [Int] = [512]

    @Option(help: ArgumentHelp("Evaluate this many chunks of each text at most.", valueName: "n"))
    var chunks: Int?

    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "How products are computed: f32, bf16 or auto.",
            discussion: """
                auto takes the fastest that the processor has: for unquantized weights BF16 where that is faster than F32 \
                (perplexity within 0.1 %), and with AVX-512 VNNI 8-bit activations for quantized ones (within 0.5 %), as \
                llama.cpp does.
                """,
            valueName: "precision"))
    var precision = Precision.automatic

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    func validate() throws {
        for context in context where context < 1 {
            throw ValidationError("--context is \(context), expected 1 or more")
        }
        if let chunks, chunks < 1 { throw ValidationError("--chunks is \(chunks), expected 1 or more") }
    }

    func request(models: [String], context: Int, _ session: Session) -> EvaluationRequest {
        var request = EvaluationRequest(
            models: models, texts: text, threads: threads.count(session))
        request.context = context
        request.chunkLimit = chunks
        request.precision = precision
        request.level = session.kernels
        return request
    }

    /// Evaluates with a line of progress.
    func run(_ evaluator: Evaluator, _ session: Session) throws -> Evaluation {
        let progress = ProgressLine(isQuiet: quiet)
        let last = evaluator.models.count - 1
        session.warn(evaluator.notes)
        progress.note(PerplexityReport.banner(evaluator))
        let evaluation = try evaluator.run(
            progress: { evaluation in
                progress.update(
                    elapsed: evaluation.elapsed,
                    PerplexityReport.line(
                        chunksDone: evaluation.chunksDone, of: evaluation.chunksPlanned,
                        evaluation.pooled(model: last), elapsed: evaluation.elapsed))
            }, isCancelled: { session.isInterrupted })
        progress.finish()
        return evaluation
    }
}
