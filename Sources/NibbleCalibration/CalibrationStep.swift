internal import NibbleModel

/// A step of a calibration, after which a process that was killed can go on.
enum CalibrationStep: Equatable, CustomStringConvertible {
    /// Sequences are embedded in the model that is rounded to nearest.
    case embedNearest
    /// They pass a block of it.
    case advance(layer: Int)
    /// The gradients of their cross-entropy are taken.
    case differentiate
    /// The gradients pass a block on their way back.
    case retreat(layer: Int)
    /// Sequences are embedded in the unquantized model and the one that is rounded.
    case embed
    /// The matrices of a sublayer are rounded.
    case round(Sublayer, layer: Int)

    var description: String {
        switch self {
        case .embedNearest: "embed nearest"
        case .advance(let layer): "advance \(layer)"
        case .differentiate: "differentiate"
        case .retreat(let layer): "retreat \(layer)"
        case .embed: "embed"
        case .round(let sublayer, let layer): "round \(layer) \(sublayer)"
        }
    }
}

extension [CalibrationStep] {
    /// All steps in their order.
    ///
    /// - Parameter differentiates: whether gradients are asked for.
    static func all(layers: Int, differentiates: Bool) -> [CalibrationStep] {
        let nearest: [CalibrationStep] =
            [.embedNearest] + (0..<layers).map { .advance(layer: $0) } + [.differentiate]
            + (0..<layers).reversed().map { .retreat(layer: $0) }
        return (differentiates ? nearest : []) + [.embed]
            + (0..<layers).flatMap { layer in Sublayer.allCases.map { .round($0, layer: layer) } }
    }
}
