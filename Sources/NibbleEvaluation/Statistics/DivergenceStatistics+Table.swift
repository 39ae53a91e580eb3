internal import NibbleCheckpoint

extension DivergenceStatistics {
    /// From this many tokens on llama-perplexity prints its tables; with fewer the percentiles say little.
    public static let meaningfulCount = 100

    /// The final tables of `llama-perplexity --kl-divergence`: the same labels, widths and digits
    /// (`kl_divergence` in llama.cpp's tools/perplexity/perplexity.cpp), here for any number of tokens.
    public var table: String {
        [perplexityTable, divergenceTable, probabilityTable].joined(separator: "\n\n")
    }

    private var perplexityTable: String {
        let correlation = FixedDecimal.text(100 * perplexities.correlation, digits: 2, width: 6)
        return """
            ====== Perplexity statistics ======
            Mean PPL(Q)                   : \(Self.text(perplexities.perplexity))
            Mean PPL(base)                : \(Self.text(perplexities.basePerplexity))
            Cor(ln(PPL(Q)), ln(PPL(base))): \(correlation)%
            Mean ln(PPL(Q)/PPL(base))     : \(Self.text(perplexities.logRatio))
            Mean PPL(Q)/PPL(base)         : \(Self.text(perplexities.ratio))
            Mean PPL(Q)-PPL(base)         : \(Self.text(perplexities.difference))
            """
    }

    private var divergenceTable: String {
        let percentiles = divergencePercentiles
        var lines = ["====== KL divergence statistics ======"]
        lines.append("Mean    KLD: \(Self.text(meanDivergence))")
        for point in Percentiles.divergencePoints {
            let value = FixedDecimal.text(percentiles.value(at: point), digits: 6, width: 10)
            lines.append("\(point.label) KLD: \(value)")
        }
        return lines.joined(separator: "\n")
    }

    private var probabilityTable: String {
        let percentiles = probabilityDifferencePercentiles
        var lines = ["====== Token probability statistics ======"]
        lines.append("Mean    Δp: \(Self.percent(meanProbabilityDifference))")
        for point in Percentiles.points {
            let value = FixedDecimal.text(100 * percentiles.value(at: point), digits: 3, width: 6)
            lines.append("\(point.label) Δp: \(value)%")
        }
        lines.append("RMS Δp    : \(Self.percent(rootMeanSquareDifference))")
        lines.append("Same top p: \(Self.percent(sameTop))")
        return lines.joined(separator: "\n")
    }

    static func text(_ estimate: Estimate, digits: Int = 6, width: Int = 10) -> String {
        FixedDecimal.text(estimate.value, digits: digits, width: width) + " ± "
            + FixedDecimal.text(estimate.error, digits: digits, width: width)
    }

    static func percent(_ estimate: Estimate, width: Int = 5) -> String {
        FixedDecimal.text(100 * estimate.value, digits: 3, width: 6) + " ± "
            + FixedDecimal.text(100 * estimate.error, digits: 3, width: width) + " %"
    }
}
