internal import Yams

/// A value of a recipe as it was written, with its line.
struct RecipeNode: Sendable {
    /// The line, counted from 1.
    var line: Int
    var content: Content

    indirect enum Content: Sendable {
        case scalar(String, isPlain: Bool)
        case list([RecipeNode])
        case mapping([(key: RecipeNode, value: RecipeNode)])
    }

    /// The text of a scalar, in quotes or not.
    var text: String? { if case .scalar(let text, _) = content { text } else { nil } }

    /// The text of a scalar without quotes: a number, a word.
    var plainText: String? { if case .scalar(let text, true) = content { text } else { nil } }

    /// Whether it says that there is no value.
    var isNone: Bool { ["none", "null", "~"].contains(plainText) }

    /// The elements of a list.
    var elements: [RecipeNode]? { if case .list(let elements) = content { elements } else { nil } }

    /// What stands there, for messages.
    var shown: String {
        switch content {
        case .scalar("", true): return "empty"
        case .scalar(let text, let isPlain):
            let quote = isPlain ? "" : "\""
            return quote + Self.shown(text) + quote
        case .list: return "a list"
        case .mapping: return "a mapping"
        }
    }

    /// `text` in one line of at most 60 characters.
    static func shown(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars.prefix(60) {
            shown +=
                scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : "\(scalar)"
        }
        return text.unicodeScalars.count > 60 ? shown + "..." : shown
    }
}

// MARK: - Parsing

extension RecipeNode {
    /// Lists and mappings within one another; a recipe has 4.
    private static let maximumDepth = 8

    /// Parses a document of one node; nil where it holds none.
    ///
    /// - Throws: what is wrong, with its line.
    static func parse(_ yaml: String) throws(RecipeProblem) -> RecipeNode? {
        // An anchor needs this character. Without anchors there are no aliases, hence no documents that grow
        // without bounds when they are composed.
        if let place = yaml.utf8.firstIndex(of: UInt8(ascii: "&")) {
            throw RecipeProblem(
                line: line(of: place, in: yaml), "has a '&', which starts a YAML anchor; recipes have none",
                advice: "write the value out, and '\\x26' in double quotes for the character")
        }
        let root: Node?
        do {
            // The resolver of plain words is left out: fields know their types.
            root = try Parser(yaml: yaml, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw problem(error, in: yaml)
        } catch {
            throw RecipeProblem(line: 1, "is no YAML: \(error)")
        }
        return try root.map { root throws(RecipeProblem) in try RecipeNode(root, depth: 0) }
    }

    private init(_ node: Node, depth: Int) throws(RecipeProblem) {
        line = node.mark?.line ?? 1
        guard depth <= Self.maximumDepth else {
            throw RecipeProblem(line: line, "has more than \(Self.maximumDepth) levels of nesting")
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain
            if isPlain { try Self.refuse(scalar.tag, line: line) }
            content = .scalar(scalar.string, isPlain: isPlain)
        case .sequence(let sequence):
            try Self.refuse(sequence.tag, line: line)
            var elements: [RecipeNode] = []
            for element in sequence { elements.append(try RecipeNode(element, depth: depth + 1)) }
            content = .list(elements)
        case .mapping(let mapping):
            try Self.refuse(mapping.tag, line: line)
            var pairs: [(key: RecipeNode, value: RecipeNode)] = []
            for (key, value) in mapping {
                guard case .scalar(let name) = key else {
                    throw RecipeProblem(
                        line: key.mark?.line ?? line, "has a key that is no name but a list or mapping")
                }
                let key = RecipeNode(
                    line: name.mark?.line ?? line, content: .scalar(name.string, isPlain: true))
                pairs.append((key, try RecipeNode(value, depth: depth + 1)))
            }
            content = .mapping(pairs)
        case .alias:
            throw RecipeProblem(
                line: line, "has a YAML alias; recipes have none", advice: "write the value out")
        }
    }

    /// A tag such as `!!binary` changes what a value means.
    private static func refuse(_ tag: Tag, line: Int) throws(RecipeProblem) {
        let standard = ["tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"]
        guard tag.description.isEmpty || standard.contains(tag.description) else {
            throw RecipeProblem(
                line: line, "has the YAML tag \(shown(tag.description)); recipes have none",
                advice: "leave it out")
        }
    }

    private static func problem(_ error: YamlError, in yaml: String) -> RecipeProblem {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            let hasTab = lines.indices.contains(mark.line - 1) && lines[mark.line - 1].contains("\t")
            // The end of the text counts as a line of its own.
            return RecipeProblem(
                line: min(mark.line, lines.count), "is no YAML: \(problem)",
                advice: hasTab ? "indent with spaces; YAML takes no tabs" : nil)
        case .reader(let problem, let offset, _, _):
            let place = offset.map { yaml.index(yaml.startIndex, offsetBy: $0) } ?? yaml.startIndex
            return RecipeProblem(line: line(of: place, in: yaml), "is no YAML: \(problem)")
        case .duplicatedKeysInMapping(let names, let context):
            let name = names.sorted().first ?? ""
            return RecipeProblem(
                line: context.mark.line, "has '\(shown(name))' twice in one section, here and below",
                advice: "leave one out")
        default: return RecipeProblem(line: 1, "is no YAML: \(error)")
        }
    }

    private static func line(of place: String.Index, in text: String) -> Int {
        text[..<place].count(where: \.isNewline) + 1
    }
}

/// What is wrong with a recipe, before it is known where the recipe comes from.
struct RecipeProblem: Error {
    var line: Int?
    var text: String
    var advice: String?

    init(line: Int? = nil, _ text: String, advice: String? = nil) {
        self.line = line
        self.text = text
        self.advice = advice
    }

    /// The error, of the file or override called `subject`; without the line where there is no file.
    func error(_ subject: String, hasLines: Bool) -> TrainingError {
        TrainingError(.invalidRecipe, subject, line: hasLines ? line ?? 1 : nil, text, advice: advice)
    }
}
