internal import CLibrary

extension Recipe {
    /// How the learning rates change from step to step.
    public struct Schedule: Sendable, Equatable {
        /// The shape after the warm-up.
        public var kind = Kind.cosine
        /// Steps in which the rates rise linearly to their peak.
        public var warmupSteps = 5
        /// The share of the peak rates that is left at the end; without effect where ``kind`` is constant.
        public var finalFraction: Float = 0

        /// The defaults.
        public init() {}

        /// What the peak learning rates are multiplied with in a step.
        ///
        /// With w warm-up steps, n steps, final fraction f and p = (step - w) / (n - w):
        /// - step < w: (step + 1) / w
        /// - cosine: f + (1 - f) (1 + cos πp) / 2
        /// - linear: 1 - (1 - f) p
        /// - constant: 1
        ///
        /// So the first step after the warm-up has the peak rate, as the last of the warm-up has, and the final
        /// fraction is what a step n would have.
        ///
        /// - Parameters:
        ///   - step: counted from 0, below `steps`.
        ///   - steps: steps of the run, 1 or more.
        /// - Returns: 0 ... 1, computed in `Double`.
        public func factor(step: Int, of steps: Int) -> Float {
            precondition(step >= 0 && step < steps, "step \(step) of \(steps)")
            if step < warmupSteps { return Float(Double(step + 1) / Double(warmupSteps)) }
            let progress = Double(step - warmupSteps) / Double(steps - warmupSteps)
            let final = Double(finalFraction)
            return switch kind {
            case .cosine: Float(final + (1 - final) * (1 + cos(.pi * progress)) / 2)
            case .linear: Float(1 - (1 - final) * progress)
            case .constant: 1
            }
        }
    }
}

extension Recipe.Schedule {
    /// The shape of a schedule after the warm-up.
    public enum Kind: String, CaseIterable, Sendable {
        /// Half a period of a cosine from the peak to the final fraction.
        case cosine
        /// A straight line from the peak to the final fraction.
        case linear
        /// The peak to the end.
        case constant
    }
}
