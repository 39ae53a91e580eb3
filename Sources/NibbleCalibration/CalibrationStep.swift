internal import NibbleModel

/// A step of a calibration, after which a process that was killed can go on.
enum CalibrationStep: Equatable, CustomStringConvertible {
    /// Sequences are embedded in the unquantized model, whose gradients are asked for.
    case embedForGradients
    /// They pass a block of it.
    case advance(layer: Int)
    /// The gradients of their cross-entropy are taken.
    case differentiate
    /// The gradients pass a block on their way back.
    case retreat(layer: Int)
    /// They pass it once more, for what they say of its matrices.
    case observe(layer: Int)
    /// What types cost the matrices of a block is measured.
    case survey(layer: Int)
    /// The same of the vocabulary's.
    case surveyVocabulary
    /// The vocabulary's matrices are rounded.
    case roundVocabulary
    /// Sequences are embedded in the unquantized model and the one that is rounded.
    case embed
    /// The matrices of a sublayer are rounded.
    case round(Sublayer, layer: Int)
    /// What held-out text makes of the models is measured.
    case measure

    var description: String {
        switch self {
        case .embedForGradients: "embed for gradients"
        case .advance(let layer): "advance \(layer)"
        case .differentiate: "differentiate"
        case .retreat(let layer): "retreat \(layer)"
        case .observe(let layer): "observe \(layer)"
        case .survey(let layer): "survey \(layer)"
        case .surveyVocabulary: "survey vocabulary"
        case .roundVocabulary: "round vocabulary"
        case .embed: "embed"
        case .round(let sublayer, let layer): "round \(layer) \(sublayer)"
        case .measure: "measure"
        }
    }
}

extension [CalibrationStep] {
    /// All steps in their order.
    ///
    /// - Parameters:
    ///   - differentiates: whether gradients are asked for.
    ///   - observesAgain: whether what gradients say of matrices is found when these are rounded, rather than kept.
    ///   - surveys: whether what types cost is measured, where gradients are asked for.
    ///   - roundsVocabulary: whether the vocabulary's matrices are rounded by gradients.
    ///   - measures: whether text is held out.
    static func all(
        layers: Int, differentiates: Bool, observesAgain: Bool, surveys: Bool, roundsVocabulary: Bool,
        measures: Bool
    ) -> [CalibrationStep] {
        var steps: [CalibrationStep] = []
        if differentiates {
            steps.append(.embedForGradients)
            steps += (0..<layers).map { .advance(layer: $0) }
            steps.append(.differentiate)
            let first = observesAgain && !roundsVocabulary && !surveys ? 1 : 0
            steps += (first..<layers).reversed().map { .retreat(layer: $0) }
            if surveys {
                for layer in 0..<layers {
                    if observesAgain { steps.append(.observe(layer: layer)) }
                    steps.append(.survey(layer: layer))
                }
                steps.append(.surveyVocabulary)
            }
            if roundsVocabulary { steps.append(.roundVocabulary) }
        }
        steps.append(.embed)
        for layer in 0..<layers {
            if differentiates, observesAgain { steps.append(.observe(layer: layer)) }
            steps += Sublayer.allCases.map { .round($0, layer: layer) }
        }
        return steps + (measures ? [.measure] : [])
    }
}
