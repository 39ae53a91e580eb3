import Testing

/// How far a result may be from a Double reference. No bound depends on the result.
enum Bound {
    /// Half a unit in the last place of a `Float`, as a relative error: what one rounding costs.
    static let rounding = 0x1p-24
    /// Half a unit in the last place of a BF16.
    static let bf16Rounding = 0x1p-9
    /// A product whose weights and activations are rounded to BF16, in the Frobenius norm: each term is off by
    /// two roundings at most, and errors of both signs do not add up to more than the terms do.
    static let bf16Product = 2 * bf16Rounding
    /// What rounding an activation to int8 costs, in steps of its block: half a step, and as much of a step more as
    /// the code 127 can move when scale, reciprocal and product are each rounded.
    static let int8Step = 0.5 + 127 * 3 * rounding
    /// The exponential: two units in the last place, as its documentation says.
    static let exponential = 4 * rounding
    /// A sum of exponentials over the vocabulary, as a relative error: `Float` sums of 300 terms at most, here of
    /// one sign, each term an exponential of a rounded difference d (d exp(-d) < 1/2), and Double from there on;
    /// the log of such a sum is off by as much, absolutely.
    static let vocabularySum = 0x1p-15
    /// What the smallest normal number cuts off: BF16 products take and give zeros for subnormals.
    static let smallest = 0x1p-126

    /// A `Float` sum of products in any order, with or without FMA: a rounding for every term and every partial
    /// sum (Higham 2002, section 3.1), and four more for what is done with the sum.
    static func sum(terms: Int, magnitude: Double) -> Double {
        Double(2 * terms + 4) * rounding * magnitude + Double(terms) * smallest
    }
}

/// The largest |found - expected| / bound of a comparison; above 1 is a failure.
struct Comparison {
    private(set) var worst = 0.0
    private(set) var count = 0
    private var detail = ""

    mutating func add(
        _ found: Float, _ expected: Double, bound: Double, _ place: @autoclosure () -> String = ""
    ) {
        add(Double(found), expected, bound: bound, place())
    }

    mutating func add(
        _ found: Double, _ expected: Double, bound: Double, _ place: @autoclosure () -> String = ""
    ) {
        count += 1
        let error = abs(found - expected)
        let ratio = error == 0 ? 0 : error / bound
        // NaN is a failure too.
        if !(ratio <= max(worst, 1)) || ratio > worst {
            worst = ratio.isNaN ? .infinity : max(worst, ratio)
            detail = "\(place()): \(found) instead of \(expected), bound \(bound)"
        }
    }

    /// Fails where a value was beyond its bound, or none was compared.
    func check(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(count > 0, sourceLocation: sourceLocation)
        #expect(worst <= 1, "\(detail)", sourceLocation: sourceLocation)
    }
}
