internal import NibbleCheckpoint
public import NibbleEvaluation

/// What calibration gains on text that it did not see.
public struct CalibrationScores: Sendable, Equatable {
    /// Perplexity of the unquantized model.
    public var source: Estimate
    /// Perplexity where each weight is rounded to the nearest code.
    public var rounded: Estimate
    /// Perplexity of the calibrated model.
    public var calibrated: Estimate
    /// Mean KL divergence from the unquantized model where each weight is rounded to the nearest code, nats a token.
    public var roundedDivergence: Estimate
    /// The same of the calibrated model.
    public var calibratedDivergence: Estimate
    /// ``calibrated`` less ``rounded``, with the error of a paired measurement.
    public var difference: Estimate
    /// Tokens scored: those of the second half of each sequence.
    public var tokens: Int

    /// The share of the perplexity that rounding costs which calibration wins back, 1 for all; nil where rounding costs
    /// nothing.
    public var recovered: Double? {
        let cost = rounded.value - source.value
        return cost > 0 ? (rounded.value - calibrated.value) / cost : nil
    }

    /// Whether the calibrated model is nearer to the unquantized one.
    public var isBetter: Bool { calibratedDivergence.value < roundedDivergence.value }
}

extension CalibrationScores {
    private typealias Field = any WritableKeyPath<CalibrationScores, Estimate> & Sendable

    private static let estimates: [(name: String, field: Field)] = [
        ("source", \.source), ("rounded", \.rounded), ("calibrated", \.calibrated),
        ("rounded_divergence", \.roundedDivergence), ("calibrated_divergence", \.calibratedDivergence),
        ("difference", \.difference),
    ]

    /// As it stands in a journal: numbers that read back exactly.
    var json: JSONValue {
        .object(
            Self.estimates.flatMap { name, field in
                [
                    JSONValue.Member(name, .string("\(self[keyPath: field].value)")),
                    .init(name + "_error", .string("\(self[keyPath: field].error)")),
                ]
            } + [.init("tokens", .integer(tokens))])
    }

    /// What a journal says; nil where it says so in part.
    init?(_ json: JSONValue) {
        let none = Estimate(0, error: 0)
        guard let tokens = json["tokens"]?.integer else { return nil }
        self.init(
            source: none, rounded: none, calibrated: none, roundedDivergence: none,
            calibratedDivergence: none, difference: none, tokens: tokens)
        for (name, field) in Self.estimates {
            guard let value = json[name]?.text.flatMap(Double.init),
                let error = json[name + "_error"]?.text.flatMap(Double.init)
            else { return nil }
            self[keyPath: field] = Estimate(value, error: error)
        }
    }
}
