internal import Nibble

/// A comparison as text, as Markdown and as JSON.
struct ComparisonReport {
    let result: Evaluation
    let rows: [ComparisonRow]
    /// The average of each model over the texts.
    let averages: [TextAverage?]
    let warnings: [String]
    /// How far matrices lie from the base's, of the models that a page shows most of; empty where that is not asked for.
    var weightErrors: [(model: String, errors: [WeightError])] = []
    /// The runs whose curves a page shows.
    var training = JSONValue.null

    init(_ result: Evaluation, warnings: [String] = []) {
        self.result = result
        self.warnings = warnings
        rows = result.rows
        averages = result.textAverages
    }

    // MARK: - Tables

    var text: String {
        let tables = tables.map { table in
            (table.title.map { $0 + "\n" } ?? "") + Text.table(table.rows, right: table.right)
        }
        return (tables + [([facts] + remarks).joined(separator: "\n")]).joined(separator: "\n\n")
    }

    var markdown: String {
        let tables = tables.map { table in
            (table.title.map { $0 + "\n\n" } ?? "") + Text.markdown(table.rows, right: table.right)
        }
        return (tables + [facts] + remarks).joined(separator: "\n\n")
    }

    struct Table {
        var title: String?
        var rows: [[String]]
        var right: Set<Int> { Set(1..<max(rows[0].count, 2)) }
    }

    private var tables: [Table] {
        [Table(rows: [Self.head] + rows.map(cells))] + [second].compactMap { $0 }
            + (isOneDocument ? [] : [tails] + [intervals, texts].compactMap { $0 })
    }

    /// Whether all of it is one text of one document, of which one table says what there is to say.
    private var isOneDocument: Bool { result.texts.count == 1 && result.texts[0].documents.count == 1 }

    private static let head = [
        "model", "size", "bits/weight", "perplexity", "difference", "recovered", "mean KLD", "99 % KLD",
        "max KLD", "same top",
    ]

    private func cells(_ row: ComparisonRow) -> [String] {
        [
            row.name + (result.isComplete ? "" : " (\(result.chunksDone) of \(result.chunksPlanned) chunks)"),
            Text.bytes(row.bytes), Text.bits(row.bitsPerWeight), Text.plusMinus(row.perplexity, 4),
            row.difference.map { Text.plusMinus($0, 4) } ?? "", row.recovered.map(Self.percent) ?? "",
            row.meanDivergence.map { Text.plusMinus($0, 5) } ?? "",
            row.divergence99.map { Text.fixed($0, 4) } ?? "",
            row.maxDivergence.map { Text.fixed($0, 3) } ?? "",
            row.sameTop.map { Text.plusMinus(Estimate(100 * $0.value, error: 100 * $0.error), 2) + " %" }
                ?? "",
        ]
    }

    static func percent(_ share: Double) -> String { Text.fixed(100 * share, 1) + " %" }

    /// How the numbers came about, so that they can be repeated.
    private var facts: String {
        let threads = result.threads == 1 ? "1 thread" : "\(result.threads) threads"
        let texts = result.texts.map(\.name).joined(separator: ", ")
        return "\(texts): \(result.chunkDescription(result.chunksPlanned)), "
            + "\(result.precision), \(threads), \(Text.time(result.seconds))"
    }

    private var remarks: [String] {
        (result.isComplete ? [] : ["stopped early"]) + (isOneDocument ? [] : noIntervals.map { [$0] } ?? [])
    }

    // MARK: - JSON

    /// One comparison as it is, several under `contexts`.
    static func json(_ reports: [ComparisonReport]) -> String {
        let document =
            reports.count == 1 ? reports[0].document : .members(["contexts": .array(reports.map(\.document))])
        return String(document.serialized().dropLast())
    }

    private var document: JSONValue {
        .members([
            "texts": .array(result.texts.map { .string($0.name) }),
            "context": .integer(result.texts[0].context),
            "chunks_planned": .integer(result.chunksPlanned),
            "precision": .string(result.precision),
            "threads": .integer(result.threads),
            "seconds": .real(result.seconds),
            "complete": .bool(result.isComplete),
            "documents": .integer(result.documentCount),
            "second_base": result.secondBase.map { .string(rows[$0].name) } ?? .null,
            "models": .array(rows.indices.map(json)),
            "by_text": .array(byText),
            "weight_errors": weightErrors.isEmpty
                ? .null
                : .object(
                    weightErrors.map { model, errors in
                        .init(model, .object(errors.map { .init($0.name, .finite($0.relative)) }))
                    }),
            "training": training,
            "warnings": .array(warnings.map { .string($0) }),
        ])
    }

    private func json(_ index: Int) -> JSONValue {
        let row = rows[index]
        return .members([
            "name": .string(row.name),
            "bytes": .integer(row.bytes),
            "bits_per_weight": .real(row.bitsPerWeight),
            "chunks": .integer(result.chunksDone),
            "perplexity": row.perplexity.json,
            "difference": row.difference?.json ?? .null,
            "recovered": row.recovered.map { .finite($0) } ?? .null,
            "kl_divergence": row.meanDivergence?.json ?? .null,
            "kl_divergence_interval": row.divergenceInterval.map(Self.json) ?? .null,
            "kl_divergence_median": row.medianDivergence.map { .finite($0) } ?? .null,
            "kl_divergence_p90": row.divergence90.map { .finite($0) } ?? .null,
            "kl_divergence_p99": row.divergence99.map { .finite($0) } ?? .null,
            "kl_divergence_p99.9": row.divergence999.map { .finite($0) } ?? .null,
            "kl_divergence_max": row.maxDivergence.map { .finite($0) } ?? .null,
            "kl_divergence_above_0.1": row.farShare.map { .finite($0) } ?? .null,
            "same_top": row.sameTop?.json ?? .null,
            "kl_divergence_from_second": row.secondDivergence?.json ?? .null,
            "intervals": row.intervals.map(Self.json) ?? .null,
            "text_average": averages[index].map(Self.json) ?? .null,
            "worst_tokens": .array(
                result.worstTokens(model: index).map { text, token in
                    .members([
                        "text": .string(result.texts[text].name), "chunk": .integer(token.chunk),
                        "position": .integer(token.position),
                        "kl_divergence": .finite(token.score.divergence), "top": .integer(Int(token.top)),
                        "base_top": .integer(Int(token.baseTop)),
                    ])
                }),
        ])
    }
}
