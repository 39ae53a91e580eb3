internal import Nibble

/// What `nibble imatrix` wrote, as text and as JSON.
struct ImportanceReport {
    private let matrix: ImportanceMatrix
    private let progress: ImportanceMeasurement.Progress?

    /// Of a measurement.
    init(_ result: ImportanceMeasurement.Result) { (matrix, progress) = (result.matrix, result.progress) }

    /// Of files that were put together.
    init(_ matrix: ImportanceMatrix) { (self.matrix, progress) = (matrix, nil) }

    /// How far a measurement is, in one line.
    static func line(_ progress: ImportanceMeasurement.Progress) -> String {
        let own = progress.chunks - progress.resumed
        let left = progress.total - progress.chunks
        let seconds = progress.elapsed / .seconds(1) / Double(max(own, 1)) * Double(left)
        return "\(progress.chunks) of \(progress.total) chunks, \(Text.time(seconds)) left"
    }

    private var tokens: Int { Int(matrix.counts.values.flatMap { $0 }.max() ?? 0) }

    var text: String {
        var text =
            "\(matrix.path): \(matrix.weights.count) tensors, \(matrix.chunkCount ?? 0) chunks, "
            + "\(Text.grouped(tokens)) tokens"
        guard let progress else { return text }
        let own = progress.chunks - progress.resumed
        text += "\n\(own) chunks measured in \(Text.time(progress.elapsed / .seconds(1)))"
        if progress.resumed > 0 { text += ", \(progress.resumed) by an earlier run" }
        return text
    }

    var json: String {
        var members: [JSONValue.Member] = [
            .init("output", .string(matrix.path)), .init("tensors", .integer(matrix.weights.count)),
            .init("chunks", .integer(matrix.chunkCount ?? 0)), .init("tokens", .integer(tokens)),
            .init("datasets", .array(matrix.datasets.map { .string($0) })),
        ]
        if let progress {
            members.append(.init("measured_chunks", .integer(progress.chunks - progress.resumed)))
            members.append(.init("resumed_chunks", .integer(progress.resumed)))
            members.append(.init("seconds", .real(progress.elapsed / .seconds(1))))
        }
        return JSONValue.object(members).serialized()
    }
}

/// What an importance matrix says of each tensor, as text and as JSON.
struct ImportanceStatisticsReport {
    private let matrix: ImportanceMatrix
    private let statistics: [ImportanceStatistics]

    init(_ matrix: ImportanceMatrix) { (self.matrix, statistics) = (matrix, matrix.statistics) }

    var text: String {
        let head = [
            "tensor", "columns", "sum", "min", "max", "mean", "deviation", "active", "entropy", "evenness",
            "outstanding", "similarity",
        ]
        let rows = statistics.map { row in
            [
                row.name, "\(row.count)", Text.fixed(row.total, 2), Text.fixed(row.minimum, 4),
                Text.fixed(row.maximum, 4), Text.fixed(row.mean, 4), Text.fixed(row.deviation, 4),
                Text.fixed(100 * row.active, 2) + " %", Text.fixed(row.entropy, 4),
                Text.fixed(100 * row.evenness, 2) + " %", Text.fixed(100 * row.outstanding, 2) + " %",
                row.similarity.map { Text.fixed($0, 4) } ?? "",
            ]
        }
        return """
            \(Text.table([head] + rows, right: Set(1..<head.count)))

            Of the mean squares of the columns: their sum, smallest, largest, mean and standard deviation; active: above \
            0.00001; entropy of their shares of the sum in bits, evenness: as a share of the largest possible; outstanding: \
            more than a deviation above the mean; similarity: cosine to the same tensor of the block before.
            """
    }

    var json: String {
        JSONValue.array(
            statistics.map { row in
                var members: [JSONValue.Member] = [
                    .init("tensor", .string(row.name)), .init("columns", .integer(row.count)),
                    .init("sum", .real(row.total)), .init("min", .real(row.minimum)),
                    .init("max", .real(row.maximum)), .init("mean", .real(row.mean)),
                    .init("deviation", .real(row.deviation)), .init("active", .real(row.active)),
                    .init("entropy", .real(row.entropy)), .init("evenness", .real(row.evenness)),
                    .init("outstanding", .real(row.outstanding)),
                ]
                if let layer = row.layer { members.append(.init("layer", .integer(layer))) }
                if let similarity = row.similarity { members.append(.init("similarity", .real(similarity))) }
                return .object(members)
            }
        ).serialized()
    }
}
