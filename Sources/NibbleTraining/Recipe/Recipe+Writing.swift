internal import NibbleCheckpoint

extension Recipe {
    /// The recipe as YAML: all fields in fixed order, a line each, defaults written out. Equal recipes have equal
    /// texts, and the text reads back as an equal recipe.
    public var yaml: String {
        var text = ""
        for section in Self.sections {
            text += section + ":\n"
            for field in Self.fields where field.section == section {
                text += "  \(field.name): \(field.text(self))\n"
            }
        }
        return text
    }

    /// SHA-256 of ``yaml`` in hexadecimal: what a run, its saved states and its result are recognised by.
    public var digest: String { SHA256.hex(yaml.utf8) }

    /// All fields with their defaults, values and meaning, as Markdown: `docs/recipes.md`.
    public static var reference: String {
        var text = """
            # Recipes

            A recipe says what a run of quantization-aware training is made of. It is a YAML file of sections, each \
            with fields; what is left out has the default below. `Recipes/` holds some: those for Gemma 3 270M and \
            SmolLM2 135M were run (docs/qat-results.md); those for Gemma 3 1B and 4B were not, and say so. A field is named by its section and name where it is changed from outside: \
            `optimizer.learning_rate=2e-5`. Unknown fields, values out of range and contradictions are errors that \
            name the line; anchors, aliases and tags are refused.

            This file is made from `Recipe.reference`.

            """
        let defaults = Recipe()
        for section in sections {
            text += "\n## \(section)\n\n| field | default | values | meaning |\n|---|---|---|---|\n"
            for field in fields where field.section == section {
                text +=
                    "| `\(field.name)` | `\(field.text(defaults))` | \(field.expectation) | \(field.summary) |\n"
            }
        }
        text += "\n## Between fields\n\nA recipe that breaks one of these rules is an error.\n\n"
        for rule in rules { text += "- \(rule.statement)\n" }
        return text
    }
}
