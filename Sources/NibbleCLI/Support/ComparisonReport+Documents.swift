internal import Nibble

/// What a comparison says of documents and of each text.
extension ComparisonReport {
    /// How far the divergences of single tokens go.
    var tails: Table {
        let head = ["KLD of tokens", "median", "90 %", "99 %", "99.9 %", "largest", "above 0.1 nats"]
        return Table(
            rows: [head]
                + rows.filter { $0.meanDivergence != nil }.map { row in
                    [
                        row.name, Self.digits(row.medianDivergence, 5), Self.digits(row.divergence90, 4),
                        Self.digits(row.divergence99, 4), Self.digits(row.divergence999, 3),
                        Self.digits(row.maxDivergence, 3), row.farShare.map(Self.percent) ?? "",
                    ]
                })
    }

    /// Divergences from the second base.
    var second: Table? {
        guard let base = result.secondBase else { return nil }
        return Table(
            rows: [["model", "mean KLD from \(rows[base].name)", "95 % interval"]]
                + rows.enumerated().filter { $0.offset != base }.map { _, row in
                    [
                        row.name, row.secondDivergence.map { Text.plusMinus($0, 5) } ?? "",
                        Self.range(row.intervals?.secondDivergence, 4),
                    ]
                })
    }

    /// Intervals over documents.
    var intervals: Table? {
        guard rows.contains(where: { $0.intervals != nil }) else { return nil }
        let head = [
            "model", "perplexity", "difference", "recovered", "mean KLD", "KLD less the first's", "same top",
        ]
        return Table(
            title: "95 % intervals over \(result.documentCount) documents, by paired bootstrap:",
            rows: [head]
                + rows.map { row in
                    [
                        row.name, Self.range(row.intervals?.perplexity, 3),
                        Self.range(row.intervals?.difference, 3),
                        Self.range(row.intervals?.recovered, 1, times: 100, unit: " %"),
                        Self.range(row.intervals?.meanDivergence, 4),
                        Self.range(row.intervals?.divergenceDifference, 4),
                        Self.range(row.intervals?.sameTop, 1, times: 100, unit: " %"),
                    ]
                })
    }

    /// The mean divergence on each text.
    var texts: Table? {
        guard result.texts.count > 1, rows.contains(where: { $0.meanDivergence != nil }) else { return nil }
        let compared = rows.indices.filter { rows[$0].meanDivergence != nil }
        var table = [["mean KLD", "documents", "scored"] + compared.map { rows[$0].name }]
        for (index, text) in result.texts.enumerated() {
            let part = result.restricted(toText: index)
            let own = part.rows
            table.append(
                [text.name, String(part.documentCount), Text.count(text.estimates[0].count)]
                    + compared.map {
                        Self.digits(own[$0].meanDivergence?.value, 4)
                            + Self.parenthesis(own[$0].intervals?.meanDivergence)
                    })
        }
        table.append(
            ["average of texts", "", ""]
                + compared.map { index in
                    averages[index].map { Text.fixed($0.meanDivergence, 4) + Self.parenthesis($0.interval) }
                        ?? ""
                })
        table.append(
            ["worst", "", ""]
                + compared.map { index in averages[index].map { $0.worstText } ?? "" })
        return Table(rows: table)
    }

    /// Why there are no intervals.
    var noIntervals: String? {
        guard rows.allSatisfy({ $0.intervals == nil }) else { return nil }
        let alone = result.texts.filter { $0.documents.count(where: { $0.sums[0].count > 0 }) == 1 }.map(
            \.name)
        let found =
            alone.isEmpty
            ? "there are \(result.documentCount)" : "\(alone.joined(separator: ", ")) is one document"
        return "no intervals over documents: they take two in each text and "
            + "\(DocumentBootstrap.minimumDocuments) in all, \(found)"
    }

    private static func digits(_ value: Double?, _ digits: Int) -> String {
        value.map { Text.fixed($0, digits) } ?? ""
    }

    private static func range(
        _ interval: Interval?, _ digits: Int, times factor: Double = 1, unit: String = ""
    ) -> String {
        guard let interval else { return "" }
        return Text.fixed(factor * interval.lower, digits) + " to "
            + Text.fixed(factor * interval.upper, digits) + unit
    }

    private static func parenthesis(_ interval: Interval?) -> String {
        interval.map { " (" + range($0, 4) + ")" } ?? ""
    }

    // MARK: - JSON

    /// Each text, with what each model makes of it.
    var byText: [JSONValue] {
        result.texts.enumerated().map { index, text in
            let part = result.restricted(toText: index)
            return .members([
                "name": .string(text.name), "documents": .integer(part.documentCount),
                "scored": .integer(text.estimates[0].count),
                "models": .array(
                    part.rows.map { row in
                        .members([
                            "name": .string(row.name), "perplexity": row.perplexity.json,
                            "kl_divergence": row.meanDivergence?.json ?? .null,
                            "intervals": row.intervals.map(Self.json) ?? .null,
                        ])
                    }),
            ])
        }
    }

    static func json(_ average: TextAverage) -> JSONValue {
        .members([
            "kl_divergence": .finite(average.meanDivergence), "interval": json(average.interval),
            "worst_text": .string(average.worstText),
            "worst_kl_divergence": average.worstDivergence.json,
        ])
    }

    static func json(_ intervals: Evaluation.Intervals) -> JSONValue {
        .members([
            "level": .real(Interval.level), "perplexity": json(intervals.perplexity),
            "difference": json(intervals.difference), "recovered": json(intervals.recovered),
            "kl_divergence": json(intervals.meanDivergence),
            "kl_divergence_from_second": json(intervals.secondDivergence),
            "kl_divergence_less_first": json(intervals.divergenceDifference),
            "kl_divergence_above_0.1": json(intervals.far), "same_top": json(intervals.sameTop),
        ])
    }

    static func json(_ interval: Interval?) -> JSONValue {
        interval.map { .array([.finite($0.lower), .finite($0.upper)]) } ?? .null
    }
}
