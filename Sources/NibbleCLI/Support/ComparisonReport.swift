internal import Nibble

/// A comparison as text, as Markdown and as JSON.
struct ComparisonReport {
    private let result: Evaluation
    private let warnings: [String]

    init(_ result: Evaluation, warnings: [String] = []) {
        self.result = result
        self.warnings = warnings
    }

    // MARK: - Tables

    var text: String {
        ([Text.table(rows, right: Self.rightColumns), "", facts] + remarks).joined(separator: "\n")
    }

    var markdown: String {
        let notes = ([facts] + remarks).joined(separator: "\n\n")
        return Text.markdown(rows, right: Self.rightColumns) + "\n\n" + notes
    }

    private static let head = [
        "model", "size", "bits/weight", "perplexity", "difference", "recovered", "mean KLD", "99 % KLD",
        "max KLD", "same top",
    ]
    private static let rightColumns = Set(1..<head.count)

    private var rows: [[String]] { [Self.head] + result.rows.map(cells) }

    private func cells(_ row: ComparisonRow) -> [String] {
        [
            row.name + (result.isComplete ? "" : " (\(result.chunksDone) of \(result.chunksPlanned) chunks)"),
            Text.bytes(row.bytes), Text.bits(row.bitsPerWeight), Self.text(row.perplexity, 4),
            row.difference.map { Self.text($0, 4) } ?? "",
            row.recovered.map { Text.fixed(100 * $0, 1) + " %" } ?? "",
            row.meanDivergence.map { Self.text($0, 5) } ?? "",
            row.divergence99.map { Text.fixed($0, 4) } ?? "",
            row.maxDivergence.map { Text.fixed($0, 3) } ?? "",
            row.sameTop.map { Self.text(Estimate(100 * $0.value, error: 100 * $0.error), 2) + " %" } ?? "",
        ]
    }

    private static func text(_ estimate: Estimate, _ digits: Int) -> String {
        Text.fixed(estimate.value, digits) + " ± " + Text.fixed(estimate.error, digits)
    }

    /// How the numbers came about, so that they can be repeated.
    private var facts: String {
        let threads = result.threads == 1 ? "1 thread" : "\(result.threads) threads"
        let texts = result.texts.map(\.name).joined(separator: ", ")
        return "\(texts): \(result.chunksPlanned) chunks of \(result.texts[0].context) tokens, "
            + "\(result.precision), \(threads), \(Text.time(result.seconds))"
    }

    private var remarks: [String] { result.isComplete ? [] : ["stopped early"] }

    // MARK: - JSON

    var json: String {
        let document = JSONValue.members([
            "texts": .array(result.texts.map { .string($0.name) }),
            "context": .integer(result.texts[0].context),
            "chunks_planned": .integer(result.chunksPlanned),
            "precision": .string(result.precision),
            "threads": .integer(result.threads),
            "seconds": .real(result.seconds),
            "complete": .bool(result.isComplete),
            "models": .array(result.rows.map(json)),
            "warnings": .array(warnings.map { .string($0) }),
        ])
        return String(document.serialized().dropLast())
    }

    private func json(_ row: ComparisonRow) -> JSONValue {
        .members([
            "name": .string(row.name),
            "bytes": .integer(row.bytes),
            "bits_per_weight": .real(row.bitsPerWeight),
            "chunks": .integer(result.chunksDone),
            "perplexity": row.perplexity.json,
            "difference": row.difference?.json ?? .null,
            "recovered": row.recovered.map { .finite($0) } ?? .null,
            "kl_divergence": row.meanDivergence?.json ?? .null,
            "kl_divergence_p99": row.divergence99.map { .finite($0) } ?? .null,
            "kl_divergence_max": row.maxDivergence.map { .finite($0) } ?? .null,
            "same_top": row.sameTop?.json ?? .null,
        ])
    }
}
