internal import CLibrary

/// A range of values along an edge of a plot.
package struct Axis {
    /// What it measures, with the unit.
    let title: String
    /// The smallest and the largest value.
    let range: ClosedRange<Double>
    /// Whether equal ratios are equally far apart.
    let isLogarithmic: Bool
    /// The values that are marked.
    let ticks: [Double]

    /// A linear axis from a round number below the values to one above.
    package init(linear values: [Double], title: String, fromZero: Bool = false) {
        self.title = title
        isLogarithmic = false
        let finite = values.filter(\.isFinite)
        var (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
        if fromZero { (low, high) = (min(low, 0), max(high, 0)) }
        if high - low <= abs(high) * 1e-9 {
            let margin = high == 0 ? 1 : abs(high) / 10
            (low, high) = (fromZero && low >= 0 ? 0 : low - margin, high + margin)
        }
        let step = Self.roundStep((high - low) / 5)
        let (first, last) = ((low / step).rounded(.down), (high / step).rounded(.up))
        range = first * step...last * step
        ticks = stride(from: first, through: last, by: 1).map { $0 * step }
    }

    /// A logarithmic axis; values of 0 and less lie at its lower end.
    package init(logarithmic values: [Double], title: String) {
        self.title = title
        isLogarithmic = true
        let positive = values.filter { $0 > 0 && $0.isFinite }
        let (low, high) = (positive.min() ?? 0.1, positive.max() ?? 1)
        let (first, last) = (log10(low) - 0.05, log10(high) + 0.05)
        var ticks: [Double] = []
        let factors: [Double] = last - first > 3 ? [1] : last - first > 1.3 ? [1, 3] : [1, 2, 3, 5, 7]
        for exponent in Int(first.rounded(.down))...Int(last.rounded(.up)) {
            for factor in factors {
                let tick = factor * pow(10, Double(exponent))
                if log10(tick) >= first, log10(tick) <= last { ticks.append(tick) }
            }
        }
        range = pow(10, first)...pow(10, last)
        // Values that lie close together are marked as on a linear axis.
        let linear = Axis(linear: [range.lowerBound, range.upperBound], title: title).ticks
        self.ticks = ticks.count >= 3 ? ticks : linear.filter(range.contains)
    }

    /// 1, 2 or 5 times a power of ten.
    private static func roundStep(_ step: Double) -> Double {
        let power = pow(10, log10(step).rounded(.down))
        let factor = step / power
        return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10)
    }

    /// Where a value lies, from 0 to 1.
    func place(_ value: Double) -> Double {
        let part =
            isLogarithmic
            ? value <= 0
                ? 0
                : log10(value / range.lowerBound) / log10(range.upperBound / range.lowerBound)
            : (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        return min(max(part, 0), 1)
    }

    /// How a tick is written: with the digits that tell it from its neighbours.
    func label(_ value: Double) -> String {
        if isLogarithmic, value < 1e-4 {
            let exponent = Int((log10(value) + 1e-9).rounded(.down))
            return "\(Int((value / pow(10, Double(exponent))).rounded()))e\(exponent)"
        }
        let steps = zip(ticks, ticks.dropFirst()).map { $1 - $0 }
        guard let step = steps.min(), step > 0 else { return Markup.significant(value) }
        // Of a logarithmic axis with a wide range small values need more digits than large ones.
        let finest = isLogarithmic ? max(step, abs(value) / 10) : step
        return Markup.fixed(value, max(0, -Int((log10(finest) + 1e-9).rounded(.down))))
    }
}
