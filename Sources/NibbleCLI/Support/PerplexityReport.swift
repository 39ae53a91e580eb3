internal import Nibble

/// An evaluation of its last model as text and as JSON.
struct PerplexityReport {
    private let result: Evaluation
    private let warnings: [String]
    /// Over documents; nil where there are too few.
    private let intervals: Evaluation.Intervals?

    init(_ result: Evaluation, warnings: [String] = []) {
        self.result = result
        self.warnings = warnings
        intervals = result.intervals()?.last
    }

    /// `PPL = 17.1134 +/- 0.51234`, as llama-perplexity's final estimate.
    static func text(_ estimate: PerplexityEstimate) -> String {
        guard estimate.count > 0 else { return "PPL: nothing was evaluated" }
        let value = "PPL = " + Text.fixed(estimate.perplexity, 4)
        return estimate.count < 2 ? value : value + " +/- " + Text.fixed(estimate.perplexityError, 5)
    }

    /// What is about to happen, so that it can be repeated.
    static func banner(_ evaluator: Evaluator) -> String {
        let paths = evaluator.models.map(\.path).joined(separator: ", ")
        let plan = evaluator.plans[0].plan
        let texts = evaluator.plans.count == 1 ? "" : " in \(evaluator.plans.count) texts"
        let chunks = ChunkPlan.description(
            evaluator.chunksPlanned, of: plan.window,
            conversations: evaluator.plans.map(\.plan.areConversations))
        let stride = plan.stride.map { ", stride \($0)" } ?? ""
        let compute = evaluator.models[0].compute
        return "\(paths): \(chunks)\(stride)\(texts), "
            + "precision \(compute.precision.rawValue): \(compute.summary)"
    }

    /// How far an evaluation is, in one line.
    static func line(
        chunksDone: Int, of chunksPlanned: Int, _ estimate: PerplexityEstimate, elapsed: Duration
    ) -> String {
        let seconds = elapsed / .seconds(1)
        let left = chunksDone > 0 ? seconds / Double(chunksDone) * Double(chunksPlanned - chunksDone) : 0
        let time = chunksDone > 0 ? "  \(Text.time(left)) left" : ""
        return "chunk \(chunksDone) of \(chunksPlanned)  \(text(estimate))" + time
    }

    /// Index of the model that is reported.
    private var model: Int { result.models.count - 1 }

    private var divergence: DivergenceStatistics? { result.hasBase ? result.divergence(model: model) : nil }

    // MARK: - Text

    /// The texts where there are several, the speed, the tables of a comparison, and the estimate as last line.
    var text: String {
        var sections: [String] = []
        if let divergence, divergence.count > 0 {
            var table = divergence.table
            if divergence.count < DivergenceStatistics.meaningfulCount {
                table += "\n(\(divergence.count) tokens: too few for these numbers to mean much)"
            }
            sections.append(table)
        }
        if result.texts.count > 1 { sections.append(textTable) }
        var lines = [speed]
        if !result.isComplete {
            lines.append("stopped after \(result.chunksDone) of \(result.chunksPlanned) chunks")
        }
        lines += [interval].compactMap { $0 }
        lines.append(Self.text(result.pooled(model: model)))
        return (sections + [lines.joined(separator: "\n")]).joined(separator: "\n\n")
    }

    /// `95 % intervals over 41 documents: perplexity 21.204 to 22.917, mean KLD 0.0410 to 0.0492`.
    private var interval: String? {
        let figures = [
            ("perplexity", intervals?.perplexity, 3), ("mean KLD", intervals?.meanDivergence, 4),
        ].compactMap { name, interval, digits in
            interval.map { "\(name) \(Text.fixed($0.lower, digits)) to \(Text.fixed($0.upper, digits))" }
        }
        guard !figures.isEmpty else { return nil }
        return "95 % intervals over \(result.documentCount) documents: " + figures.joined(separator: ", ")
    }

    private var textTable: String {
        var rows = [["text", "tokens", "chunks", "scored", "perplexity", "+/-"]]
        for text in result.texts {
            let (estimate, isBegun) = (text.estimates[model], text.estimates[model].count > 0)
            rows.append([
                text.name, String(text.tokenCount), Self.chunks(text), String(estimate.count),
                isBegun ? Text.fixed(estimate.perplexity, 4) : "",
                estimate.count > 1 ? Text.fixed(estimate.perplexityError, 5) : "",
            ])
        }
        return Text.table(rows, right: [1, 2, 3, 4, 5])
    }

    private static func chunks(_ text: Evaluation.Text) -> String {
        text.chunksDone == text.chunksPlanned
            ? String(text.chunksDone) : "\(text.chunksDone) of \(text.chunksPlanned)"
    }

    private var speed: String {
        let stride = result.texts[0].stride.map { ", stride \($0)" } ?? ""
        return
            "\(result.chunkDescription(result.chunksDone))\(stride), \(result.precision): "
            + "\(result.tokensEvaluated) tokens in \(Text.time(result.seconds)), "
            + "\(Text.fixed(result.tokensPerSecond, 1)) tokens/s"
    }

    // MARK: - JSON

    var json: String {
        var members: [JSONValue.Member] = [
            .init("model", .string(result.models[model].path)),
            .init("context", .integer(result.texts[0].context)),
            .init("stride", result.texts[0].stride.map { .integer($0) } ?? .null),
            .init("precision", .string(result.precision)),
            .init("threads", .integer(result.threads)),
            .init("complete", .bool(result.isComplete)),
            .init("chunks", .integer(result.chunksDone)),
            .init("chunks_planned", .integer(result.chunksPlanned)),
            .init("seconds", .real(result.seconds)),
            .init("tokens_evaluated", .integer(result.tokensEvaluated)),
            .init("tokens_per_second", .real(result.tokensPerSecond)),
            .init("estimate", result.pooled(model: model).json),
            .init("documents", .integer(result.documentCount)),
            .init("intervals", intervals.map(ComparisonReport.json) ?? .null),
            .init("texts", .array(result.texts.map(json))),
            .init("warnings", .array(warnings.map { .string($0) })),
        ]
        if let divergence { members.append(.init("divergence", divergence.json)) }
        return String(JSONValue.object(members).serialized().dropLast())
    }

    private func json(_ text: Evaluation.Text) -> JSONValue {
        .object([
            .init("name", .string(text.name)),
            .init("tokens", .integer(text.tokenCount)),
            .init("chunks", .integer(text.chunksDone)),
            .init("chunks_planned", .integer(text.chunksPlanned)),
            .init("estimate", text.estimates[model].json),
        ])
    }
}
