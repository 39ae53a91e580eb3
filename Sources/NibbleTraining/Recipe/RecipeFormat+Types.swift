internal import NibbleNumerics
internal import NibbleQuantization

extension RecipeFormat where Value == GGMLType {
    /// The name of a type that can be written.
    static var elementType: RecipeFormat<GGMLType> {
        let names = GGMLType.allCases.filter(\.isEncodable).map(Self.name)
        return RecipeFormat("a type that can be written: " + names.joined(separator: ", ")) {
            node throws(RecipeProblem) in
            node.text.flatMap { GGMLType($0) }
        } accepts: {
            $0.isEncodable
        } text: {
            Self.name($0)
        }
    }

    private static func name(_ type: GGMLType) -> String { type.description.lowercased() }
}

extension RecipeFormat where Value == [QuantizationPlan.Override] {
    /// Overrides that a recipe may have.
    private static var maximumCount: Int { 256 }
    /// Characters of a pattern; names of tensors have few dozen.
    private static var maximumLength: Int { 256 }

    /// A list of `{pattern: REGEX, type: TYPE}`.
    static var overrides: RecipeFormat<Value> {
        let type = RecipeFormat<GGMLType>.elementType
        return RecipeFormat("a list of {pattern: regular expression, type: type that can be written}") {
            node throws(RecipeProblem) in
            guard let elements = node.elements else { return nil }
            guard elements.count <= maximumCount else {
                throw RecipeProblem("has \(elements.count) elements, expected at most \(maximumCount)")
            }
            var overrides: Value = []
            for element in elements { overrides.append(try self.override(element, type: type)) }
            return overrides
        } accepts: { overrides in
            overrides.count <= maximumCount
                && overrides.allSatisfy { $0.type.isEncodable && isPrintable($0.pattern) }
        } text: { overrides in
            let elements = overrides.map {
                "{pattern: \(quoted($0.pattern)), type: \(type.text($0.type))}"
            }
            return "[" + elements.joined(separator: ", ") + "]"
        }
    }

    private static func override(
        _ node: RecipeNode, type format: RecipeFormat<GGMLType>
    ) throws(RecipeProblem) -> QuantizationPlan.Override {
        let shape = "expected {pattern: regular expression, type: type}"
        guard case .mapping(let pairs) = node.content else {
            throw RecipeProblem(line: node.line, "has \(node.shown), \(shape)")
        }
        var pattern: RecipeNode?
        var type: RecipeNode?
        for (key, value) in pairs {
            switch key.text {
            case "pattern": pattern = value
            case "type": type = value
            default: throw RecipeProblem(line: key.line, "has a field '\(key.shown)', \(shape)")
            }
        }
        guard let pattern, let type else {
            throw RecipeProblem(
                line: node.line, "has an element without \(pattern == nil ? "pattern" : "type"), \(shape)")
        }
        guard let value = try format.parse(type), format.accepts(value) else {
            throw RecipeProblem(line: type.line, "has type \(type.shown), expected \(format.expectation)")
        }
        guard let text = pattern.text, isPrintable(text) else {
            throw RecipeProblem(
                line: pattern.line,
                "has pattern \(pattern.shown), expected 1 to \(maximumLength) printable ASCII characters")
        }
        do {
            return try QuantizationPlan.Override(pattern: text, type: value)
        } catch {
            throw RecipeProblem(
                line: pattern.line, "has pattern \(pattern.shown), which is no regular expression",
                advice: "put it in single quotes if it has backslashes")
        }
    }

    private static func isPrintable(_ text: String) -> Bool {
        (1...maximumLength).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }

    /// `text` in double quotes; '&' escaped, as recipes have none.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text {
            switch character {
            case "\"", "\\": quoted += "\\\(character)"
            case "&": quoted += "\\x26"
            default: quoted.append(character)
            }
        }
        return quoted + "\""
    }
}
