internal import NibbleCheckpoint

/// How a value of a recipe is read, checked, written and described.
struct RecipeFormat<Value: Sendable>: Sendable {
    /// What is expected, as it goes after "expected": `an integer from 1 to 4096`.
    let expectation: String
    /// The value of a node; nil where it is not of this format at all, an error where more can be told.
    let parse: @Sendable (RecipeNode) throws(RecipeProblem) -> Value?
    /// Whether a value of this format is in range.
    let accepts: @Sendable (Value) -> Bool
    /// The value as it is written in YAML, on one line.
    let text: @Sendable (Value) -> String

    init(
        _ expectation: String,
        parse: @escaping @Sendable (RecipeNode) throws(RecipeProblem) -> Value?,
        accepts: @escaping @Sendable (Value) -> Bool = { _ in true },
        text: @escaping @Sendable (Value) -> String
    ) {
        self.expectation = expectation
        self.parse = parse
        self.accepts = accepts
        self.text = text
    }
}

// MARK: - Scalars

extension RecipeFormat where Value == Bool {
    static var flag: RecipeFormat<Bool> {
        RecipeFormat("true or false") { node throws(RecipeProblem) in
            node.plainText.flatMap { Bool($0) }
        } text: {
            "\($0)"
        }
    }
}

extension RecipeFormat where Value: FixedWidthInteger {
    /// An integer in decimal digits, of `range`, and a multiple of `multiple`.
    static func integer(_ range: ClosedRange<Value>, multipleOf multiple: Value = 1) -> RecipeFormat<Value> {
        let isOpen = range.upperBound == Value.max
        let bounds =
            isOpen ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
        let expectation = multiple == 1 ? "an integer \(bounds)" : "a multiple of \(multiple) \(bounds)"
        return RecipeFormat(expectation) { node throws(RecipeProblem) in
            node.plainText.flatMap { Value($0) }
        } accepts: {
            range.contains($0) && $0.isMultiple(of: multiple)
        } text: {
            "\($0)"
        }
    }
}

extension RecipeFormat where Value == Float {
    /// A finite decimal number within bounds that belong to the range or not.
    ///
    /// Numbers are rounded to the nearest `Float`; one that is not 0 and would become 0 is an error.
    static func number(
        from lower: Float? = nil, above: Float? = nil, to upper: Float? = nil, below: Float? = nil
    ) -> RecipeFormat<Float> {
        var bounds: [String] = []
        if let lower { bounds.append("of \(short(lower)) or more") }
        if let above { bounds.append("above \(short(above))") }
        if let upper { bounds.append("at most \(short(upper))") }
        if let below { bounds.append("below \(short(below))") }
        return RecipeFormat("a number " + bounds.joined(separator: ", ")) { node throws(RecipeProblem) in
            try decimal(node)
        } accepts: { value in
            value.isFinite && value >= lower ?? value && value <= upper ?? value
                && above.map { value > $0 } ?? true && below.map { value < $0 } ?? true
        } text: {
            short($0)
        }
    }

    /// The shortest text that reads back as the same number, without `.0`.
    private static func short(_ value: Float) -> String {
        let text = "\(value)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func decimal(_ node: RecipeNode) throws(RecipeProblem) -> Float? {
        // Float's own reading takes hexadecimal numbers and the words inf and nan, too.
        guard let text = node.plainText,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
            let value = Float(text)
        else { return nil }
        let mantissa = text.prefix { $0 != "e" && $0 != "E" }
        if value == 0, mantissa.contains(where: { ("1"..."9").contains($0) }) {
            throw RecipeProblem("is \(node.shown), which a 32-bit number rounds to 0")
        }
        return value
    }
}

extension RecipeFormat where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    /// One of the cases, by its raw value.
    static var word: RecipeFormat<Value> { word(former: [:]) }

    /// The same with names that some cases had until one version ago.
    static func word(former: [String: Value]) -> RecipeFormat<Value> {
        let names = Value.allCases.map(\.rawValue)
        return RecipeFormat(choice(names)) { node throws(RecipeProblem) in
            guard let text = node.text else { return nil }
            if let value = Value(rawValue: text) ?? former[text] { return value }
            throw RecipeProblem(
                "is \(node.shown), expected \(choice(names))", advice: NearestName.advice(text, among: names))
        } text: {
            $0.rawValue
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
private func choice(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.joined() }
    return names.dropLast().joined(separator: ", ") + " or " + last
}

// MARK: - Compounds

extension RecipeFormat {
    /// The values of `format`, and `none` for nil.
    static func optional<Wrapped>(_ format: RecipeFormat<Wrapped>) -> RecipeFormat<Value>
    where Value == Wrapped? { optional(format, word: "none") { $0.isNone } }

    /// The values of `format`, and `auto` for nil.
    static func automatic<Wrapped>(_ format: RecipeFormat<Wrapped>) -> RecipeFormat<Value>
    where Value == Wrapped? { optional(format, word: "auto") { $0.plainText == "auto" } }

    private static func optional<Wrapped>(
        _ format: RecipeFormat<Wrapped>, word: String, isNil: @escaping @Sendable (RecipeNode) -> Bool
    ) -> RecipeFormat<Value> where Value == Wrapped? {
        RecipeFormat("\(word), or \(format.expectation)") { node throws(RecipeProblem) in
            if isNil(node) { return .some(nil) }
            return try format.parse(node).map { .some($0) }
        } accepts: {
            $0.map(format.accepts) ?? true
        } text: {
            $0.map(format.text) ?? word
        }
    }

    /// A set that is not empty: a list, or names between commas.
    static func set<Element>() -> RecipeFormat<Value>
    where
        Element: RawRepresentable & CaseIterable & Sendable, Element.RawValue == String,
        Value == Set<Element>
    {
        let names = Element.allCases.map(\.rawValue)
        let expectation = "one or more of " + names.joined(separator: ", ")
        return RecipeFormat(expectation) { node throws(RecipeProblem) in
            let listed: [(text: String, line: Int)]
            if let elements = node.elements {
                listed = elements.map { ($0.text ?? $0.shown, $0.line) }
            } else if let text = node.text {
                listed = text.split(separator: ",", omittingEmptySubsequences: false).map {
                    ($0.filter { $0 != " " }, node.line)
                }
            } else {
                return nil
            }
            var values: Set<Element> = []
            for (text, line) in listed {
                guard let value = Element(rawValue: text) else {
                    throw RecipeProblem(
                        line: line, "has '\(RecipeNode.shown(text))', expected \(expectation)",
                        advice: NearestName.advice(text, among: names))
                }
                guard values.insert(value).inserted else {
                    throw RecipeProblem(line: line, "has '\(text)' twice", advice: "leave one out")
                }
            }
            return values
        } accepts: {
            !$0.isEmpty
        } text: { values in
            "[" + Element.allCases.filter(values.contains).map(\.rawValue).joined(separator: ", ") + "]"
        }
    }
}
