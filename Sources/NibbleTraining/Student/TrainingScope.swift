internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization

/// Which tensors of a checkpoint a recipe trains, how they are rounded, and what is calibrated before: what `auto` stands
/// for is decided.
struct TrainingScope: Sendable {
    /// What is trained; scales where, and only where, they are learned.
    let parameters: Set<Recipe.Training.Parameters>
    /// How weights are rounded.
    let config: FakeQuantizeConfig
    /// How codes and scales are chosen before the first step; nil where they are what the codec makes of the teacher's
    /// weights. Scales that are chosen anew until rounding begins are not calibrated.
    let calibration: CalibrationOptions?
    /// The first tensor that has scales to be learned by what is trained, and a type that has none such.
    let unlearnable: PlannedTensor?
    /// Why scales are not learned that the recipe's type has: a clause. Nil where they are, and where the recipe says so.
    let obstacle: String?

    /// - Parameter plan: what the tensors of the checkpoint become.
    init(_ recipe: Recipe, _ plan: ResolvedPlan) {
        let quantization = recipe.quantization
        var parameters = recipe.train.parameters.union([.scales])
        let candidates = plan.tensors.filter { Self.learnsScales(of: $0.role, parameters) }
        unlearnable = candidates.first { $0.format.scaledBlocks == nil }
        var obstacle: String?
        if let unlearnable {
            obstacle = "'\(unlearnable.name)' becomes \(unlearnable.format), whose scales cannot be learned"
        } else if candidates.isEmpty || recipe.train.parameters.isDisjoint(with: [.linear, .scales]) {
            obstacle = "train.parameters has neither linear nor scales"
        }
        let learns =
            switch quantization.scales {
            case .recomputed: false
            case .learned: true
            case .automatic: obstacle == nil
            }
        if !learns { parameters.remove(.scales) }
        self.parameters = parameters
        self.obstacle =
            quantization.scales == .automatic && quantization.type.format.scaledBlocks != nil ? obstacle : nil
        var config = FakeQuantizeConfig()
        config.gradient = quantization.gradient
        if learns { config.scales = .learned }
        self.config = config
        var calibration = recipe.calibration
        if calibration.method == .automatic { calibration.method = .gptq }
        let isAsked = calibration.method == .gptq || calibration.scales == .importance
        self.calibration = learns && quantization.startStep == 0 && isAsked ? calibration : nil
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

    /// Whether the weights of a matrix themselves are trained.
    func trainsWeights(of role: TensorRole) -> Bool {
        parameters.contains(role.isVocabulary ? .embedding : .linear)
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
