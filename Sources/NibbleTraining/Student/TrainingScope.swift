internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization

/// Which tensors of a checkpoint a recipe trains, and how they are rounded: what `auto` stands for is decided.
struct TrainingScope: Sendable {
    /// What is trained; scales where, and only where, they are learned.
    let parameters: Set<Recipe.Training.Parameters>
    /// How weights are rounded.
    let config: FakeQuantizeConfig

    /// - Parameter plan: what the tensors of the checkpoint become.
    init(_ recipe: Recipe, _ plan: ResolvedPlan) {
        var parameters = recipe.train.parameters
        var config = FakeQuantizeConfig()
        config.gradient = recipe.quantization.gradient
        let canLearn: Bool
        switch recipe.quantization.scales {
        case .recomputed: canLearn = false
        case .learned: canLearn = true
        case .automatic:
            let learned = plan.tensors.filter {
                Self.learnsScales(of: $0.role, parameters.union([.scales]))
            }
            canLearn =
                !learned.isEmpty && learned.allSatisfy(\.format.learnsScales)
                && !parameters.isDisjoint(with: [.linear, .scales])
        }
        if canLearn {
            parameters.insert(.scales)
            config.scales = .learned
        } else {
            parameters.remove(.scales)
        }
        self.parameters = parameters
        self.config = config
    }

    /// Why scales are not learned that the recipe's type has: a clause. Nil where they are, and where the recipe says so.
    static func obstacle(_ recipe: Recipe, _ plan: ResolvedPlan) -> String? {
        guard recipe.quantization.type.format.learnsScales, recipe.quantization.scales == .automatic,
            !TrainingScope(recipe, plan).learnsScales
        else { return nil }
        let parameters = recipe.train.parameters.union([.scales])
        let other = plan.tensors.first { learnsScales(of: $0.role, parameters) && !$0.format.learnsScales }
        return other.map { "'\($0.name)' becomes \($0.format), whose scales cannot be learned" }
            ?? "train.parameters has neither linear nor scales"
    }

    /// Whether scales are learned.
    var learnsScales: Bool { config.scales == .learned }

    /// Whether a tensor, or the scales of its blocks, are trained.
    func trains(_ role: TensorRole) -> Bool {
        if learnsScales(of: role) { return true }
        guard role.part == .weight else { return parameters.contains(.norms) }
        if role.isVocabulary { return parameters.contains(.embedding) }
        if role.isRotary { return false }
        return parameters.contains(role.isLinear ? .linear : .norms)
    }

    /// Whether the scales of a matrix are trained.
    func learnsScales(of role: TensorRole) -> Bool { Self.learnsScales(of: role, parameters) }

    private static func learnsScales(
        of role: TensorRole, _ parameters: Set<Recipe.Training.Parameters>
    ) -> Bool {
        guard role.part == .weight, parameters.contains(.scales) else { return false }
        return role.isVocabulary ? parameters.contains(.embedding) : role.isLinear
    }
}

extension WeightFormat {
    /// Whether the scales of its blocks can be learned.
    var learnsScales: Bool { ggmlType.flatMap(ScaledBlocks.init) != nil }
}
