import NibbleQuantization
import NibbleTraining

extension Recipe {
    /// A recipe for tests of students: scales recomputed, linear weights, if nothing else is said.
    static func student(
        _ type: QuantizationType = .q4_0, isPure: Bool = false,
        _ parameters: Set<Training.Parameters> = [.linear], scales: Quantization.Scales = .recomputed,
        dither: Training.Dithering = .automatic
    ) -> Recipe {
        var recipe = Recipe()
        (recipe.quantization.type, recipe.quantization.pure) = (type, isPure)
        recipe.quantization.scales = scales
        recipe.train.parameters = parameters
        recipe.train.dither = dither
        return recipe
    }
}
