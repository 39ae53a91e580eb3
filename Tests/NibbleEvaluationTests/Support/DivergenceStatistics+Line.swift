@testable import NibbleEvaluation

extension DivergenceStatistics {
    /// A line of running figures, as llama-perplexity prints it after each chunk: `chunk PPL ± e  ln(PPL(Q)/PPL(base)) ± e  KLD ± e  Δp RMS ± e %  same top ± e %`.
    func line(chunk: Int) -> String {
        let number = String(chunk)
        return [
            String(repeating: " ", count: max(4 - number.count, 0)) + number,
            Self.text(perplexities.perplexity, digits: 4, width: 9),
            Self.text(perplexities.logRatio, digits: 5, width: 10),
            Self.text(meanDivergence, digits: 5, width: 10),
            Self.percent(rootMeanSquareDifference, width: 6),
            Self.percent(sameTop, width: 6),
        ].joined(separator: "    ")
    }
}
