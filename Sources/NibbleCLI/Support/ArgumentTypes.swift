public import ArgumentParser
public import Nibble

extension QuantizationType: ExpressibleByArgument {
    /// Any case.
    public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension GGMLType: ExpressibleByArgument {
    /// Any case; types that can be encoded only.
    public init?(argument: String) {
        guard let type = GGMLType(argument), type.isEncodable else { return nil }
        self = type
    }

    /// The types that can be encoded.
    public static var allValueStrings: [String] {
        allCases.filter(\.isEncodable).map { $0.description.lowercased() }
    }
}

extension Precision: ExpressibleByArgument {
    /// Any case.
    public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

/// A size in bytes as llama-gguf-split takes it: `4G`, `500M`, powers of 1000; or plain bytes.
struct ByteSize: ExpressibleByArgument {
    var bytes: Int

    init?(argument: String) {
        let factors: [Character: Int] = ["K": 1_000, "M": 1_000_000, "G": 1_000_000_000]
        let suffix = argument.last.flatMap { factors[Character($0.uppercased())] }
        let digits = suffix == nil ? argument[...] : argument.dropLast()
        guard let number = Int(digits), number > 0 else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: suffix ?? 1)
        guard !overflow else { return nil }
        self.bytes = bytes
    }
}

/// `REGEX=TYPE`; the last `=` separates, as a pattern may contain others.
struct TensorTypeOverride: ExpressibleByArgument {
    var override: QuantizationPlan.Override

    init?(argument: String) {
        guard let equals = argument.lastIndex(of: "="), equals > argument.startIndex,
            let type = GGMLType(argument: String(argument[argument.index(after: equals)...])),
            let override = try? QuantizationPlan.Override(pattern: String(argument[..<equals]), type: type)
        else { return nil }
        self.override = override
    }
}
