/// What calibration did to each matrix.
public struct CalibrationResult: Sendable, Equatable {
    /// A part of calibration, by the name of its paper.
    public enum Method: String, CaseIterable, Sendable {
        /// Each weight to the nearest code.
        case nearest
        /// Scales that weigh columns by the mean squares of their inputs.
        case importance
        /// Tokens that weigh by gradients in Hessians.
        case guidedQuant = "guidedquant"
        /// Feedback from input to input.
        case gptq
        /// Correction for what was lost before the matrix.
        case gptaq
        /// Feedback from output to output.
        case yaqa
        /// Codes and scales in turn, each with all others as they are.
        case coordinateDescent = "coordinate_descent"
    }

    /// A matrix.
    public struct Matrix: Sendable, Equatable {
        /// Its GGUF name.
        public var name: String
        /// What ran, in its order.
        public var methods: [Method]
        /// The first of the methods asked for that did not run, and why, as the end of a sentence:
        /// `its inputs are all zero`.
        public var fallback: Fallback?

        /// The methods and what is missing, in one line: `guidedquant+gptaq+importance+gptq+coordinate_descent, no yaqa: it has 6912 rows`.
        public var summary: String {
            methods.map(\.rawValue).joined(separator: "+")
                + (fallback.map { ", no \($0.missing.rawValue): \($0.reason)" } ?? "")
        }

        /// Remembers a method that did not run, unless it is not the first.
        mutating func miss(_ method: Method, _ reason: String) {
            fallback = fallback ?? .init(missing: method, reason: reason)
        }

        /// A method that did not run.
        public struct Fallback: Sendable, Equatable {
            /// The method.
            public var missing: Method
            /// Why.
            public var reason: String
        }
    }

    /// Nothing done yet.
    public init() {}

    /// The matrices in the order in which they were rounded.
    public var matrices: [Matrix] = []
    /// Whether all matrices were; where not, weights are of no use.
    public var isWhole = false
    /// Tokens of the calibration text that were used.
    public var tokens = 0

    /// In words, of each method what did not run; empty where everything ran that was asked for.
    public var notes: [String] {
        let consequences: KeyValuePairs = [
            Method.gptq: "rounded to nearest, without GPTQ", .guidedQuant: "rounded with all tokens alike",
            .gptaq: "rounded without GPTAQ", .yaqa: "rounded without YAQA",
            .importance: "left with the scales of the codec",
        ]
        return consequences.compactMap { method, words in
            let left = matrices.filter { $0.fallback?.missing == method }
            guard let first = left.first, let reason = first.fallback?.reason else { return nil }
            let (subject, those) =
                left.count == 1 ? ("1 matrix is", "it") : ("\(left.count) matrices are", "the first")
            return "\(subject) \(words); \(those) is '\(first.name)': \(reason)"
        }
    }
}
