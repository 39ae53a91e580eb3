extension Percentiles {
    /// A place in the distribution that the tables show.
    struct Point: Sendable {
        /// As the tables name it, seven characters wide.
        var label: String
        /// As JSON names it.
        var key: String
        /// The share of values below.
        var fraction: Float
        /// Whether this is the median, which is not interpolated like the others.
        var isMedian = false
    }

    /// The places shown for divergences, from the largest.
    static let divergencePoints = points.filter { ![0.25, 0.75].contains($0.fraction) }
    /// All places, from the largest: those shown for differences of probabilities.
    static let points: [Point] = [
        Point(label: "Maximum", key: "maximum", fraction: 1),
        Point(label: "99.9%  ", key: "p99.9", fraction: 0.999),
        Point(label: "99.0%  ", key: "p99", fraction: 0.99),
        Point(label: "95.0%  ", key: "p95", fraction: 0.95),
        Point(label: "90.0%  ", key: "p90", fraction: 0.9),
        Point(label: "75.0%  ", key: "p75", fraction: 0.75),
        Point(label: "Median ", key: "median", fraction: 0.5, isMedian: true),
        Point(label: "25.0%  ", key: "p25", fraction: 0.25),
        Point(label: "10.0%  ", key: "p10", fraction: 0.1),
        Point(label: " 5.0%  ", key: "p5", fraction: 0.05),
        Point(label: " 1.0%  ", key: "p1", fraction: 0.01),
        Point(label: " 0.1%  ", key: "p0.1", fraction: 0.001),
        Point(label: "Minimum", key: "minimum", fraction: 0),
    ]

    /// The value at a place.
    func value(at point: Point) -> Double { point.isMedian ? median : value(at: point.fraction) }
}
