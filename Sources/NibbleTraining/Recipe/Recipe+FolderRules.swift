internal import NibbleQuantization

extension Recipe {
    /// What has no effect on types that only hub folders hold.
    static let folderRules: [RecipeRule] = [
        folderRule("pure", "is true", "these have no mixture", "false") { $0.pure },
        folderRule("embedding_type", "is given", "the embedding stays as it is there", "none") {
            $0.embeddingType != nil
        },
        folderRule("output_type", "is given", "the vocabulary head stays as it is there", "none") {
            $0.outputType != nil
        },
        folderRule("tensor_types", "is given", "all matrices of blocks have one type there", "[]") {
            !$0.tensorTypes.isEmpty
        },
        folderRule("gradient", "is masked", "these clip no value", "identity") { $0.gradient == .masked },
        folderRule("activations", "is int8", "their products take no int8", "none") {
            $0.activations == .int8
        },
    ]

    /// - Parameters:
    ///   - name: a field of the section.
    ///   - state: what it must not say.
    ///   - reason: why.
    ///   - value: what to set it to.
    private static func folderRule(
        _ name: String, _ state: String, _ reason: String, _ value: String,
        isBroken: @escaping @Sendable (Recipe.Quantization) -> Bool
    ) -> RecipeRule {
        let field = "quantization.\(name)"
        return RecipeRule(
            fields: [field, "quantization.type"],
            statement: "`\(field)` is \(value) where `quantization.type` is one of int4 or sfp8: \(reason)."
        ) { recipe in
            let type = recipe.quantization.type
            guard !type.isGGUF, isBroken(recipe.quantization) else { return nil }
            return (
                "\(field) \(state), but quantization.type is \(type.rawValue): \(reason)",
                "set \(field) to \(value)"
            )
        }
    }
}
