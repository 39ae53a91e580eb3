internal import NibbleCheckpoint
public import NibbleModel

/// A comparison as one page of HTML that needs nothing else: no network, no script.
///
/// The first screen says which model to take and shows divergence against size; below are the table, where models diverge,
/// the tokens on which they do, and how it was measured. Every figure carries its value, which ``Evaluation`` has as well.
///
/// ```swift
/// let evaluation = try evaluator.run()
/// let page = ComparisonPage(
///     [evaluation], rows: [evaluation.rows], passages: [], facts: [("command", "nibble compare ...")])
/// print(page.html)
/// ```
public struct ComparisonPage: Sendable {
    private let evaluations: [Evaluation]
    /// Of each evaluation.
    private let rows: [[ComparisonRow]]
    private let passages: [(model: String, passages: [WorstPassage])]
    private let weightErrors: [(model: String, errors: [WeightError])]
    private let training: [ReportSection]
    private let facts: [(name: String, value: String)]
    private let warnings: [String]

    /// - Parameters:
    ///   - evaluations: of the same models at different contexts, that of the first screen first.
    ///   - rows: those of each evaluation, whose intervals take a while.
    ///   - passages: tokens on which models diverge most.
    ///   - weightErrors: how far matrices of models lie from the base's.
    ///   - training: how models were trained, as curves of `TrainingPage`.
    ///   - facts: how it was measured, so that it can be repeated.
    ///   - warnings: what is to be known of models and texts.
    public init(
        _ evaluations: [Evaluation], rows: [[ComparisonRow]],
        passages: [(model: String, passages: [WorstPassage])],
        weightErrors: [(model: String, errors: [WeightError])] = [], training: [ReportSection] = [],
        facts: [(name: String, value: String)], warnings: [String] = []
    ) {
        precondition(!evaluations.isEmpty && evaluations.count == rows.count, "nothing was evaluated")
        self.evaluations = evaluations
        self.rows = rows
        self.passages = passages
        self.weightErrors = weightErrors
        self.training = training
        self.facts = facts
        self.warnings = warnings
    }

    /// The models that plots and passages are of, by their place: those that are best for their size, and some others.
    public static func featured(_ rows: [ComparisonRow]) -> [Int] {
        ReportPlots.featured(rows, ReportFinding(rows))
    }

    /// The page.
    public var html: String {
        let rows = rows[0]
        let finding = ReportFinding(rows)
        let plots = ReportPlots(evaluations[0], rows, finding)
        let stopped =
            evaluations[0].isComplete
            ? []
            : [
                "stopped early: \(evaluations[0].chunksDone) of \(evaluations[0].chunksPlanned) chunks were evaluated"
            ]
        let notes = (stopped + warnings).map { "<p class=\"warning\">\(Markup.escaped($0))</p>" }
        return ReportStyle.page(
            title: "\(rows[0].name): what quantization costs",
            body: """
                <p class="finding">\(finding.sentence { ByteText.text($0) })</p>
                \(notes.joined(separator: "\n"))
                <figure>\(plots.sizes)
                <figcaption>Less is better on both axes. The line joins the models of which none is smaller and diverges less; \
                bars are 95 % intervals.</figcaption></figure>
                \(sections(rows, plots).map(\.html).joined(separator: "\n"))
                """)
    }

    private func sections(_ rows: [ComparisonRow], _ plots: ReportPlots) -> [ReportSection] {
        var sections: [ReportSection] = []
        for (evaluation, rows) in zip(evaluations, self.rows) {
            let title = "Models, \(evaluation.texts[0].context) tokens of context"
            sections.append(ReportSection(title, Self.table(rows, title)))
        }
        if evaluations[0].texts.count > 1 { sections.append(ReportSection("Kinds of text", texts(rows))) }
        sections.append(
            ReportSection(
                "How far tokens diverge",
                "\(plots.legend)<figure>\(plots.distribution)<figcaption>Marks: median, 90, 99 and 99.9 %.</figcaption>"
                    + "</figure>"))
        for evaluation in evaluations {
            let own = ReportPlots(evaluation, rows, ReportFinding(rows))
            guard let positions = own.positions else { continue }
            sections.append(
                ReportSection(
                    "By position, \(evaluation.texts[0].context) tokens of context",
                    "\(own.legend)<figure>\(positions)</figure>"))
        }
        if !weightErrors.isEmpty {
            let maps = weightErrors.map { model, errors in
                let map = HeatMap(errors, model: model)
                return ReportSection(
                    model, "<figure>\(map.svg)<figcaption>\(map.caption)</figcaption></figure>")
            }
            sections.append(ReportSection("Relative errors of matrices", parts: maps))
        }
        sections += training
        for (model, passages) in passages where !passages.isEmpty {
            sections.append(
                ReportSection(
                    "Worst tokens of \(model)",
                    "<details><summary>\(passages.count) tokens</summary>"
                        + passages.map(Self.passage).joined(separator: "\n") + "</details>"))
        }
        sections.append(ReportSection("How it was measured", method))
        return sections
    }

    // MARK: - Tables

    private static func table(_ rows: [ComparisonRow], _ caption: String) -> String {
        let head = [
            "model", "size", "bits / weight", "perplexity", "difference", "mean KLD", "95 % interval",
            "median KLD",
            "99 % KLD", "99.9 % KLD", "above 0.1", "same top",
        ]
        return Markup.table(
            head,
            rows.map { row in
                let interval = row.intervals?.meanDivergence
                return [
                    Markup.escaped(row.name), Markup.figure(row.bytes, ByteText.text(row.bytes)),
                    Markup.figure(row.bitsPerWeight) { Markup.fixed($0, 2) },
                    plusMinus(row.perplexity, 3), row.difference.map { plusMinus($0, 3) } ?? "",
                    row.meanDivergence.map { plusMinus($0, 4) } ?? "",
                    interval.map {
                        "\(Markup.figure($0.lower, Markup.significant)) to \(Markup.figure($0.upper, Markup.significant))"
                    } ?? "",
                    Markup.figure(row.medianDivergence, Markup.significant),
                    Markup.figure(row.divergence99, Markup.significant),
                    Markup.figure(row.divergence999, Markup.significant), share(row.farShare),
                    share(row.sameTop?.value),
                ]
            }, caption: caption)
    }

    private static func plusMinus(_ estimate: Estimate, _ digits: Int) -> String {
        "\(Markup.figure(estimate.value) { Markup.fixed($0, digits) }) ± "
            + Markup.figure(estimate.error) { Markup.fixed($0, digits) }
    }

    private static func share(_ value: Double?) -> String {
        Markup.figure(value) { "\(Markup.fixed(100 * $0, 1)) %" }
    }

    private func texts(_ rows: [ComparisonRow]) -> String {
        let evaluation = evaluations[0]
        let compared = rows.indices.filter { rows[$0].meanDivergence != nil }
        var table: [[String]] = []
        for (index, text) in evaluation.texts.enumerated() {
            let own = evaluation.restricted(toText: index)
            let found = own.rows
            table.append(
                [Markup.escaped(text.name), Markup.figure(own.documentCount, "\(own.documentCount)")]
                    + compared.map { Markup.figure(found[$0].meanDivergence?.value) { Markup.fixed($0, 4) } })
        }
        let averages = evaluation.textAverages
        table.append(
            ["average of kinds", ""]
                + compared.map { Markup.figure(averages[$0]?.meanDivergence) { Markup.fixed($0, 4) } })
        return Markup.table(
            ["text", "documents"] + compared.map { Markup.escaped(rows[$0].name) }, table,
            caption: "Mean divergence on each kind of text")
    }

    // MARK: - Words

    private static func passage(_ passage: WorstPassage) -> String {
        let score = passage.score
        return """
            <blockquote><p class="words">\(Markup.escaped(passage.before))<mark>\(Markup.escaped(passage.token))</mark></p>
            <p>\(Markup.escaped(passage.text)): divergence \(Markup.figure(score.divergence, Markup.significant)) nats; the model \
            would have said <code>\(Markup.escaped(passage.top))</code>, the unquantized one \
            <code>\(Markup.escaped(passage.baseTop))</code></p></blockquote>
            """
    }

    private var hasConversations: Bool { evaluations[0].texts.contains(where: \.isConversations) }

    private var method: String {
        let rows = facts.map { fact in
            "<dt>\(Markup.escaped(fact.name))</dt><dd>\(Markup.escaped(fact.value))</dd>"
        }
        return """
            <p>Perplexity as llama-perplexity measures it: the second half of each chunk is scored\
            \(hasConversations ? ", and of conversations the answers" : ""). The divergence is that of \
            Kullback and Leibler of each model's probabilities from those of \(Markup.escaped(self.rows[0][0].name)), over \
            the whole vocabulary; 0 is no difference. Errors behind ± are of tokens; intervals are of documents, by paired \
            bootstrap, where a text has several.</p>
            <dl>\(rows.joined(separator: "\n"))</dl>
            """
    }
}
