extension Trainer {
    /// Refuses what recipes can say and the trainer does not do: nothing that is asked for may be without effect.
    static func checkSupport(_ recipe: Recipe, path: String) throws(TrainingError) {
        let (quantization, loss) = (recipe.quantization, recipe.loss)
        let asked: [(field: String, value: String, isAsked: Bool, instead: String)] = [
            (
                "quantization.scales", quantization.scales.rawValue, quantization.scales == .learned,
                "recomputed"
            ),
            (
                "quantization.gradient", quantization.gradient.rawValue, quantization.gradient == .masked,
                "identity"
            ),
            (
                "optimizer.average", recipe.optimizer.average.map { "\($0)" } ?? "none",
                recipe.optimizer.average != nil, "none"
            ),
            ("loss.hidden", "\(loss.hidden)", loss.hidden > 0, "0"),
            ("teacher.kind", recipe.teacher.kind.rawValue, recipe.teacher.kind == .cached, "live"),
        ]
        guard let first = asked.first(where: \.isAsked) else { return }
        throw TrainingError(
            .invalidRecipe, path, "\(first.field) is \(first.value), which this version does not train with",
            advice: "set it to \(first.instead)")
    }
}
