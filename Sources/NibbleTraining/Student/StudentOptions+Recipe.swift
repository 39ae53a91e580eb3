internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization

extension StudentOptions {
    /// What a recipe says of the student of a checkpoint, whether scales are learned decided.
    init(_ recipe: Recipe, for checkpoint: ModelCheckpoint) throws {
        self.init()
        plan = try recipe.quantization.plan()
        parameters = Set(recipe.train.parameters.compactMap { Parameters(rawValue: $0.rawValue) })
        config.gradient = recipe.quantization.gradient == .masked ? .masked : .identity
        dithering = Dithering(rawValue: recipe.start.dither.rawValue) ?? .auto
        ditherSeed = recipe.start.ditherSeed
        switch recipe.quantization.scales {
        case .recomputed: return
        case .learned: parameters.insert(.scales)
        case .automatic:
            var learning = self
            learning.parameters.insert(.scales)
            let learned = try plan.assignments(for: checkpoint).filter { learning.learnsScales(of: $0.role) }
            let canLearn = learned.allSatisfy(\.format.learnsScales)
            guard canLearn, !learned.isEmpty, parameters.contains(.linear) || parameters.contains(.scales)
            else {
                parameters.remove(.scales)
                return
            }
            parameters.insert(.scales)
        }
        config.scales = .learned
    }

    /// Whether a tensor, or the scales of its blocks, are trained.
    func trains(_ role: TensorRole) -> Bool {
        if learnsScales(of: role) { return true }
        guard role.part == .weight else { return parameters.contains(.norms) }
        switch role.kind {
        case .tokenEmbedding, .output: return parameters.contains(.embedding)
        case .ropeFrequencies, .ropeLongFactors, .ropeShortFactors: return false
        default: return parameters.contains(role.isLinear ? .linear : .norms)
        }
    }

    /// Whether the scales of a matrix are trained, where they are learned.
    func learnsScales(of role: TensorRole) -> Bool {
        guard role.part == .weight, parameters.contains(.scales) else { return false }
        switch role.kind {
        case .tokenEmbedding, .output: return parameters.contains(.embedding)
        default: return role.isLinear
        }
    }

    /// Whether there are matrices of which only the scales are trained.
    var freezesWeights: Bool { parameters.contains(.scales) && !parameters.contains(.linear) }
}
