/// Values in ascending order, to be asked what lies where.
///
/// Values, positions and interpolation are in `Float`, as in llama.cpp's `kl_divergence`
/// (tools/perplexity/perplexity.cpp): with Double positions the last printed digits would differ from its.
public struct Percentiles: Sendable, Equatable {
    /// The values, ascending.
    public let sorted: [Float]

    /// Sorts `values`, which must not hold NaN. `O(n log n)`
    public init(_ values: [Float]) { sorted = values.sorted() }

    /// The value below which `fraction` of the values lie: with p = fraction · (n - 1), i = ⌊p⌋ and f = p - i,
    /// (1 - f) x_i + f x_{i+1}. A fraction of 0 or less is the minimum, of 1 or more the maximum. NaN without values.
    public func value(at fraction: Float) -> Double {
        guard let first = sorted.first, let last = sorted.last else { return .nan }
        if fraction <= 0 { return Double(first) }
        if fraction >= 1 { return Double(last) }
        let position = fraction * Float(sorted.count - 1)
        let index = min(Int(position), sorted.count - 1)
        let share = position - Float(index)
        return Double((1 - share) * sorted[index] + share * sorted[min(index + 1, sorted.count - 1)])
    }

    /// The share of values above `limit`; NaN without values. `O(log n)`
    public func share(above limit: Float) -> Double {
        var (first, end) = (0, sorted.count)
        while first < end {
            let middle = (first + end) / 2
            if sorted[middle] > limit { end = middle } else { first = middle + 1 }
        }
        return Double(sorted.count - first) / Double(sorted.count)
    }

    /// The smallest value; NaN without values.
    public var minimum: Double { value(at: 0) }

    /// The largest value; NaN without values.
    public var maximum: Double { value(at: 1) }

    /// The middle value, or the mean of the two middle ones; NaN without values.
    public var median: Double {
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return Double(
            sorted.count.isMultiple(of: 2) ? 0.5 * (sorted[middle] + sorted[middle - 1]) : sorted[middle])
    }
}
