/// How much text codes and scales are chosen by: more takes longer, and is better.
public enum CalibrationQuality: String, CaseIterable, Sendable {
    /// A first look.
    case quick
    /// What most need.
    case standard
    /// What is left to gain.
    case best

    /// Sequences to calibrate on.
    public var sequences: Int {
        switch self {
        case .quick: 32
        case .standard: 256
        case .best: 1024
        }
    }
}
