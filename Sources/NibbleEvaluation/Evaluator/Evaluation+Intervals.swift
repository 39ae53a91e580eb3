internal import CLibrary

extension Evaluation {
    /// Intervals over documents of what a comparison says of one model.
    public struct Intervals: Sendable, Equatable {
        /// Of the perplexity: that of its logarithm, so that it is above 0.
        public let perplexity: Interval?
        /// Of the perplexity less the base model's; nil for the base model, as all others are.
        public let difference: Interval?
        /// Of the share of the first model's loss that is won back; nil for the first.
        public let recovered: Interval?
        /// Of the mean divergence, in nats.
        public let meanDivergence: Interval?
        /// Of the mean divergence from the second base, in nats; nil where there is none, and for that itself.
        public let secondDivergence: Interval?
        /// Of the mean divergence less the first model's; nil for the first.
        public let divergenceDifference: Interval?
        /// Of the share of tokens whose divergence is above ``DocumentSums/farDivergence``.
        public let far: Interval?
        /// Of the share of tokens where both models hold the same one the most probable.
        public let sameTop: Interval?
    }

    /// The documents of which tokens were scored, text by text; texts without any are left out.
    var scoredDocuments: [[Document]] {
        texts.map { $0.documents.filter { $0.sums[0].count > 0 } }.filter { !$0.isEmpty }
    }

    /// Number of documents of which tokens were scored.
    public var documentCount: Int { scoredDocuments.reduce(0) { $0 + $1.count } }

    /// Intervals over the documents of all texts, for each model; nil where ``DocumentBootstrap`` gives none.
    public func intervals() -> [Intervals]? {
        let documents = scoredDocuments
        guard let bootstrap = DocumentBootstrap(documents: documents.map(\.count)) else { return nil }
        let all = documents.flatMap { $0.map(\.sums) }
        let second = documents.flatMap { $0.map(\.secondSums) }
        return models.indices.map { model in
            let isFirst = model <= (models.count > 1 ? 1 : 0)
            let hasBase = hasBase && (models.count == 1 || model > 0)
            func interval(
                _ terms: (DocumentSums) -> [Double], _ figure: ([Double]) -> Double
            ) -> Interval? {
                bootstrap.interval(of: all.map { terms($0[model]) }, figure)
            }
            func share(_ part: (DocumentSums) -> Double) -> Interval? {
                hasBase ? interval({ [part($0), Double($0.count)] }) { $0[0] / $0[1] } : nil
            }
            /// Of a figure that compares the model with the first one.
            func paired(
                _ terms: (DocumentSums) -> Double, _ figure: ([Double]) -> Double
            ) -> Interval? {
                guard hasBase, !isFirst else { return nil }
                let both = all.map {
                    [
                        terms($0[1]), terms($0[model]), $0[model].baseNegativeLogLikelihood,
                        Double($0[model].count),
                    ]
                }
                return bootstrap.interval(of: both, figure)
            }
            return Intervals(
                perplexity: interval({ [$0.negativeLogLikelihood, Double($0.count)] }) { $0[0] / $0[1] }
                    .map { Interval(lower: exp($0.lower), upper: exp($0.upper)) },
                difference: !hasBase
                    ? nil
                    : interval(
                        { [$0.negativeLogLikelihood, $0.baseNegativeLogLikelihood, Double($0.count)] },
                        { exp($0[0] / $0[2]) - exp($0[1] / $0[2]) }),
                recovered: paired(\.negativeLogLikelihood) {
                    let base = exp($0[2] / $0[3])
                    return PairedPerplexity.recoveredShare(
                        of: exp($0[0] / $0[3]) - base, by: exp($0[1] / $0[3]) - base) ?? .nan
                },
                meanDivergence: share(\.divergence),
                secondDivergence: secondBase == nil || secondBase == model
                    ? nil
                    : bootstrap.interval(
                        of: second.map { [$0[model].divergence, Double($0[model].count)] }
                    ) { $0[0] / $0[1] },
                divergenceDifference: paired(\.divergence) { ($0[1] - $0[0]) / $0[3] },
                far: share { Double($0.farCount) }, sameTop: share { Double($0.sameTopCount) })
        }
    }
}
