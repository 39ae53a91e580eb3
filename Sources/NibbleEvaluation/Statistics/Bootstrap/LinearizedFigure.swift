/// A figure that is a function of sums over documents, with the error that it has by its derivatives there.
struct LinearizedFigure {
    /// What each document adds to each sum, `[document][width]`.
    private let terms: [Double]
    private let width: Int
    /// Documents of each text.
    private let texts: [Range<Int>]
    /// Whether the figure is a function of the sums of each text, instead of those over all.
    private let byText: Bool
    private var sums: [Double]
    private var slopes: [Double]

    init(terms: [Double], width: Int, texts: [Range<Int>], byText: Bool) {
        self.terms = terms
        self.width = width
        self.texts = texts
        self.byText = byText
        sums = Array(repeating: 0, count: byText ? width * texts.count : width)
        slopes = sums
    }

    /// The figure of some documents, as many of each text as it has, and its standard error.
    mutating func estimate(_ documents: [Int32], _ figure: ([Double]) -> Double) -> Estimate {
        for index in sums.indices { sums[index] = 0 }
        for (index, text) in texts.enumerated() {
            let offset = byText ? index * width : 0
            for place in text {
                let start = Int(documents[place]) * width
                for term in 0..<width { sums[offset + term] += terms[start + term] }
            }
        }
        differentiate(figure)
        // Of a sum of n independent terms: n / (n - 1) Σ (x - x̄)², for x the terms along the slope.
        var variance = 0.0
        for (index, text) in texts.enumerated() {
            let offset = byText ? index * width : 0
            var (sum, squares) = (0.0, 0.0)
            for place in text {
                let start = Int(documents[place]) * width
                var along = 0.0
                for term in 0..<width { along += slopes[offset + term] * terms[start + term] }
                sum += along
                squares += along * along
            }
            let count = Double(text.count)
            variance += count / (count - 1) * max(0, squares - sum * sum / count)
        }
        return Estimate(figure(sums), error: variance.squareRoot())
    }

    /// The derivatives of a figure by its sums, by central differences.
    private mutating func differentiate(_ figure: ([Double]) -> Double) {
        for index in sums.indices {
            let value = sums[index]
            let step = max(abs(value), 1e-6) * 1e-4
            sums[index] = value + step
            let above = figure(sums)
            sums[index] = value - step
            let below = figure(sums)
            sums[index] = value
            slopes[index] = (above - below) / (2 * step)
        }
    }
}
