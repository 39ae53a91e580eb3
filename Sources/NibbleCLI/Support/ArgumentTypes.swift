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

/// A size in bytes as llama-gguf-split takes it: `4G`, `500M`, powers of 1000; `4GB` and `1.5G` as well; or plain bytes.
struct ByteSize: ExpressibleByArgument {
    var bytes: Int

    init?(argument: String) {
        let factors: [Character: Double] = ["K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12]
        var digits = argument.uppercased()
        if digits.hasSuffix("B") { digits.removeLast() }
        let factor = digits.last.flatMap { factors[$0] }
        if factor != nil { digits.removeLast() }
        guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits),
            let bytes = Int(exactly: (number * (factor ?? 1)).rounded()), bytes > 0
        else { return nil }
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

extension CalibrationQuality: ExpressibleByArgument {}

extension Consumer: ExpressibleByArgument {
    /// Any case.
    public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}
