internal import NibbleCheckpoint

extension Recipe {
    /// Bytes of a recipe file; with all comments the recipes of this repository have 4 KB.
    static let maximumSize = 65_536

    /// Reads the recipe file at `path`.
    ///
    /// - Throws: `CheckpointError` (`.inputOutput`) where the file cannot be read; ``TrainingError``
    ///   (`.invalidRecipe`) with the line where it holds no recipe, as ``init(yaml:path:)`` does.
    public init(path: String) throws {
        let file = try MappedFile(text: path)
        guard file.count <= Self.maximumSize else {
            throw TrainingError(
                .invalidRecipe, path,
                "has \(ByteText.text(file.count)), expected a recipe of at most \(ByteText.text(Self.maximumSize))",
                advice: "check the path")
        }
        if let place = UTF8Validation.firstInvalidByte(file.bytes) {
            let line = file.bytes[..<place].count { $0 == UInt8(ascii: "\n") } + 1
            throw TrainingError(
                .invalidRecipe, path, line: line, "is not valid UTF-8 at byte \(place)",
                advice: "save the file as UTF-8")
        }
        try self.init(yaml: String(decoding: file.bytes, as: UTF8.self), path: path)
    }

    /// Reads a recipe: a mapping of sections, each a mapping of fields. What is left out has its default.
    ///
    /// - Parameters:
    ///   - yaml: one YAML document without anchors, aliases and tags.
    ///   - path: where it comes from, for errors.
    /// - Throws: ``TrainingError`` (`.invalidRecipe`) with the line of the offending field: what is no YAML, an
    ///   unknown field (with the nearest known name), a duplicate, a value of the wrong type or out of range, or
    ///   values that contradict each other.
    public init(yaml: String, path: String) throws(TrainingError) {
        self.init()
        do throws(RecipeProblem) {
            guard yaml.utf8.count <= Self.maximumSize else {
                throw RecipeProblem("has \(yaml.utf8.count) bytes, expected at most \(Self.maximumSize)")
            }
            guard let root = try RecipeNode.parse(yaml) else {
                throw RecipeProblem("is empty", advice: "write {} for a recipe of defaults")
            }
            let lines = try read(root)
            try checkRules(lines: lines)
        } catch {
            throw error.error(path, hasLines: true)
        }
    }

    /// Sets one field by its name in YAML, with its section, to a value as YAML has it:
    /// `set("optimizer.learning_rate", to: "2e-5")`, `set("train.parameters", to: "linear, norms")`.
    ///
    /// Whether fields contradict each other is left to ``validated(path:)``, as several may have to change.
    ///
    /// - Throws: ``TrainingError`` (`.invalidRecipe`) where there is no such field (with the nearest known name),
    ///   or the value is of the wrong type or out of range. The recipe is then as it was.
    public mutating func set(_ keyPath: String, to value: String) throws(TrainingError) {
        do throws(RecipeProblem) {
            guard let field = Self.field(keyPath) else {
                throw RecipeProblem(
                    "has an unknown field '\(RecipeNode.shown(keyPath))'",
                    advice: NearestName.advice(keyPath, among: Self.fields.map(\.fullName))
                        ?? "docs/recipes.md lists all fields")
            }
            guard value.utf8.count <= Self.maximumSize, let node = try RecipeNode.parse(value) else {
                throw RecipeProblem(
                    "\(keyPath) has \(value.utf8.count) bytes that hold no value, expected \(field.expectation)"
                )
            }
            try field.read(node, &self)
            noteRenamed(field, from: keyPath)
        } catch {
            throw error.error("recipe override", hasLines: false)
        }
    }

    /// Checks a recipe that was made or changed in code.
    ///
    /// - Parameter path: where it comes from, for errors.
    /// - Returns: the recipe itself.
    /// - Throws: ``TrainingError`` (`.invalidRecipe`) for the first field that is out of range, or values that
    ///   contradict each other.
    @discardableResult
    public func validated(path: String) throws(TrainingError) -> Recipe {
        for section in Self.sections { try checkFields(of: section, subject: path) }
        do throws(RecipeProblem) {
            try checkRules(lines: [:])
        } catch {
            throw error.error(path, hasLines: false)
        }
        return self
    }

    /// Checks each field of a section for itself.
    func checkFields(of section: String, subject: String) throws(TrainingError) {
        for field in Self.fields where field.section == section {
            if let problem = field.problem(self) {
                throw TrainingError(.invalidRecipe, subject, problem)
            }
        }
    }

    private func checkRules(lines: [String: Int]) throws(RecipeProblem) {
        for rule in Self.rules {
            guard let (problem, advice) = rule.violation(self) else { continue }
            // Of the fields that were written, the last one is where a reader sees the contradiction.
            throw RecipeProblem(line: rule.fields.compactMap { lines[$0] }.max(), problem, advice: advice)
        }
    }

    /// Sets all fields of a document, and returns the line of each.
    private mutating func read(_ root: RecipeNode) throws(RecipeProblem) -> [String: Int] {
        guard case .mapping(let sections) = root.content else {
            throw RecipeProblem(
                line: root.line,
                "is \(root.shown), expected a mapping of sections: "
                    + Self.sections.joined(separator: ", "))
        }
        var lines: [String: Int] = [:]
        for (key, value) in sections {
            let section = key.text ?? ""
            let fields = Self.fields.filter {
                $0.section == section || $0.formerName?.hasPrefix(section + ".") == true
            }
            guard !fields.isEmpty else {
                throw RecipeProblem(
                    line: key.line, "has an unknown section '\(key.shown)'",
                    advice: NearestName.advice(section, among: Self.sections)
                        ?? "sections are " + Self.sections.joined(separator: ", "))
            }
            if value.plainText == "" { continue }  // All of its fields are commented out.
            guard case .mapping(let pairs) = value.content else {
                throw RecipeProblem(
                    line: value.line, "section \(section) is \(value.shown), expected a mapping of fields")
            }
            for (key, value) in pairs {
                let name = "\(section).\(key.text ?? "")"
                guard let field = Self.field(name) else {
                    throw RecipeProblem(
                        line: key.line, "has an unknown field '\(section).\(key.shown)'",
                        advice: Self.advice(key.text ?? "", fields))
                }
                guard lines[field.fullName] == nil else {
                    let other = name == field.fullName ? field.formerName ?? name : field.fullName
                    throw RecipeProblem(
                        line: key.line, "has '\(other)' and '\(name)', which are one field",
                        advice: "leave one out")
                }
                try field.read(value, &self)
                noteRenamed(field, from: name)
                lines[field.fullName] = key.line
            }
        }
        return lines
    }

    /// The field of a name, or of one that it had until one version ago.
    private static func field(_ name: String) -> RecipeField? {
        fields.first { $0.fullName == name } ?? fields.first { $0.formerName == name }
    }

    private mutating func noteRenamed(_ field: RecipeField, from name: String) {
        guard name != field.fullName else { return }
        notes.append(
            "\(name) of the recipe is now called \(field.fullName), and is \(field.text(self)) "
                + "here; the old name goes with the next version")
    }

    /// The nearest name in the section, or the section that has the name.
    private static func advice(_ name: String, _ fields: [RecipeField]) -> String {
        if let advice = NearestName.advice(name, among: fields.map(\.name)) { return advice }
        let elsewhere = Self.fields.filter { $0.name == name }.map { "'\($0.fullName)'" }
        if !elsewhere.isEmpty { return "did you mean " + elsewhere.joined(separator: " or ") + "?" }
        return "fields of this section: " + fields.map(\.name).joined(separator: ", ")
    }
}
