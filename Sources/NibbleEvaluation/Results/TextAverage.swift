/// A model's mean divergence over texts that count the same, however long they are.
public struct TextAverage: Sendable, Equatable {
    /// The mean of the texts' mean divergences, in nats.
    public let meanDivergence: Double
    /// Its interval over documents; nil where there are too few, see ``DocumentBootstrap``.
    public let interval: Interval?
    /// The text on which the model diverges most.
    public let worstText: String
    /// Its mean divergence there.
    public let worstDivergence: Estimate
}

extension Evaluation {
    /// The average of each model over texts of which tokens were scored; nil for the base model, and where there is one text.
    public var textAverages: [TextAverage?] {
        let scored = texts.filter { $0.documents.contains { $0.sums[0].count > 0 } }
        guard hasBase, scored.count > 1 else { return models.map { _ in nil } }
        let documents = scoredDocuments
        let bootstrap = DocumentBootstrap(documents: documents.map(\.count))
        return models.indices.map { model in
            guard models.count == 1 || model > 0 else { return nil }
            func mean(_ sums: [Double]) -> Double {
                stride(from: 0, to: sums.count, by: 2).reduce(0) { $0 + sums[$1] / sums[$1 + 1] }
                    / Double(sums.count / 2)
            }
            let divergences = scored.map { ($0.name, $0.divergences[model].meanDivergence) }
            guard let worst = divergences.max(by: { $0.1.value < $1.1.value }) else { return nil }
            return TextAverage(
                meanDivergence: divergences.reduce(0) { $0 + $1.1.value } / Double(divergences.count),
                interval: bootstrap?.interval(
                    of: documents.joined().map { [$0.sums[model].divergence, Double($0.sums[model].count)] },
                    byText: true, mean),
                worstText: worst.0, worstDivergence: worst.1)
        }
    }
}
