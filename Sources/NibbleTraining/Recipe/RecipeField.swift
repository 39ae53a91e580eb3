/// One field of a recipe: all that reading, checking, writing and documenting it needs.
struct RecipeField: Sendable {
    /// The section in YAML: `optimizer`.
    let section: String
    /// The name within the section: `learning_rate`.
    let name: String
    /// What the field was called until one version ago, with its section.
    let formerName: String?
    /// What it means, for the reference.
    let summary: String
    /// What values it may have.
    let expectation: String
    /// Sets the field from what was written.
    let read: @Sendable (RecipeNode, inout Recipe) throws(RecipeProblem) -> Void
    /// What is wrong with the field's value, nil where nothing is.
    let problem: @Sendable (Recipe) -> String?
    /// The field's value as it is written in YAML, on one line.
    let text: @Sendable (Recipe) -> String

    /// Describes the property at `path`.
    init<Value: Sendable>(
        _ section: String, _ name: String, _ path: any WritableKeyPath<Recipe, Value> & Sendable,
        _ format: RecipeFormat<Value>, former formerName: String? = nil, _ summary: String
    ) {
        let fullName = section + "." + name
        self.section = section
        self.name = name
        self.formerName = formerName
        self.summary = summary
        expectation = format.expectation
        read = { node, recipe throws(RecipeProblem) in
            do throws(RecipeProblem) {
                guard let value = try format.parse(node), format.accepts(value) else {
                    throw RecipeProblem("is \(node.shown), expected \(format.expectation)")
                }
                recipe[keyPath: path] = value
            } catch {
                throw RecipeProblem(
                    line: error.line ?? node.line, fullName + " " + error.text, advice: error.advice)
            }
        }
        problem = { recipe in
            let value = recipe[keyPath: path]
            guard !format.accepts(value) else { return nil }
            return "\(fullName) is \(format.text(value)), expected \(format.expectation)"
        }
        text = { format.text($0[keyPath: path]) }
    }

    /// `optimizer.learning_rate`
    var fullName: String { section + "." + name }
}
