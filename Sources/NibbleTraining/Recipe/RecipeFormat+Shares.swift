internal import NibbleTokenizer

extension RecipeFormat where Value == [Recipe.Training.Share] {
    /// Kinds that a mixture may have.
    private static var maximumCount: Int { 64 }

    /// A mapping of names to weights, `{code: 0.3, prose: 0.7}`, and `none`.
    static var shares: RecipeFormat<Value> {
        let weight = RecipeFormat<Float>.number(above: 0)
        let expectation = "none, or {name: weight, ...}, each weight above 0 and at least a thousandth of all"
        return RecipeFormat(expectation) { node throws(RecipeProblem) in
            if node.isNone { return [] }
            guard case .mapping(let pairs) = node.content, !pairs.isEmpty else { return nil }
            guard pairs.count <= maximumCount else {
                throw RecipeProblem("has \(pairs.count) names, expected at most \(maximumCount)")
            }
            var shares: Value = []
            for (key, value) in pairs {
                guard let name = key.text, isName(name) else {
                    throw RecipeProblem(
                        line: key.line,
                        "has the name \(key.shown), expected up to 64 letters, digits, '-', '_' and '.', a letter first,"
                            + " and no word of YAML's")
                }
                guard let number = try weight.parse(value), weight.accepts(number) else {
                    throw RecipeProblem(
                        line: value.line, "has \(value.shown) for '\(name)', expected \(weight.expectation)")
                }
                shares.append(Recipe.Training.Share(name, number))
            }
            return shares
        } accepts: { shares in
            shares.isEmpty
                || shares.count <= maximumCount && Set(shares.map(\.name)).count == shares.count
                    && shares.allSatisfy { isName($0.name) && weight.accepts($0.weight) }
                    && shares.allSatisfy { 1000 * Double($0.weight) >= sum(shares) }
        } text: { shares in
            guard !shares.isEmpty else { return "none" }
            return "{" + shares.map { "\($0.name): \(weight.text($0.weight))" }.joined(separator: ", ") + "}"
        }
    }

    private static func sum(_ shares: Value) -> Double { shares.reduce(0) { $0 + Double($1.weight) } }

    /// What other readers of YAML take for a value that is no text.
    private static var words: [String] {
        ["null", "none", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"]
    }

    /// Names that stand in YAML as they are.
    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, (1...64).contains(text.utf8.count) else { return false }
        func isLetter(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        return isLetter(first) && !words.contains(text.lowercased())
            && text.utf8.allSatisfy {
                isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || "-_.".utf8.contains($0)
            }
    }
}
