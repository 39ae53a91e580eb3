package import NibbleCheckpoint
package import NibbleQuantization

/// What calibration did to each matrix.
public struct CalibrationResult: Sendable, Equatable {
    /// A part of calibration.
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
        /// The methods asked for that did not run.
        public var missing: [Missing] = []
        /// What was added to the diagonal of its input Hessian, as a share of the diagonal's mean, where the usual share
        /// left it without a Cholesky factor.
        public var damping: Float?
        /// Bands of rows within which YAQA ran, where that is more than one.
        public var bands: Int?

        /// All of it in a line: `guidedquant+gptaq+importance+gptq+coordinate_descent, no yaqa: it has 6912 rows`.
        public var summary: String {
            methods.map(\.rawValue).joined(separator: "+")
                + (bands.map { ", yaqa in \($0) bands" } ?? "") + (damping.map { ", damped by \($0)" } ?? "")
                + missing.map { ", no \($0.method.rawValue): \($0.reason)" }.joined()
        }

        /// Remembers a method that did not run.
        mutating func miss(_ method: Method, _ reason: String) {
            missing.append(.init(method: method, reason: reason))
        }

        /// A method that did not run.
        public struct Missing: Sendable, Equatable {
            /// The method.
            public var method: Method
            /// Why, as the end of a sentence: `its inputs are all zero`.
            public var reason: String
        }
    }

    /// Nothing done yet.
    public init() {}

    /// Matrices that are rounded to nearest, because they cannot have a method.
    package init(_ names: [String], without method: Method, _ reason: String) {
        matrices = names.map {
            .init(name: $0, methods: [.nearest], missing: [.init(method: method, reason: reason)])
        }
    }

    /// The matrices in the order in which they were rounded.
    public var matrices: [Matrix] = []
    /// Tokens of the calibration text that were used.
    public var tokens = 0

    /// What ran on some matrices that are quantized, for the file: all else but what this says is rounded to nearest.
    ///
    /// - Parameter textDigest: that of the calibration text.
    package func record(
        of matrices: some Sequence<PlannedTensor>, textDigest: String
    ) -> Provenance.Calibration {
        let found = Dictionary(self.matrices.map { ($0.name, $0.summary) }, uniquingKeysWith: { $1 })
        return .init(
            tokens: tokens, textDigest: tokens > 0 ? textDigest : nil,
            methods: matrices.map {
                .init(tensor: $0.name, methods: found[$0.name] ?? Method.nearest.rawValue)
            })
    }

    /// In words, of each method where it did not run, or ran otherwise; empty where all ran as usual.
    public var notes: [String] {
        let consequences: KeyValuePairs = [
            Method.gptq: "rounded to nearest, without GPTQ", .guidedQuant: "rounded with all tokens alike",
            .gptaq: "rounded without GPTAQ", .yaqa: "rounded without YAQA",
            .importance: "left with the scales of the codec",
        ]
        let damped = note("damped more than usual") {
            $0.damping.map { "its input Hessian has a Cholesky factor with \($0) of its mean diagonal added" }
        }
        return consequences.compactMap { method, words in
            note(words) { $0.missing.first { $0.method == method }?.reason }
        } + [damped].compactMap(\.self)
    }

    /// What holds of the matrices that `reason` tells something of; nil where it holds of none.
    private func note(_ words: String, _ reason: (Matrix) -> String?) -> String? {
        let found = matrices.compactMap { matrix in reason(matrix).map { (matrix.name, $0) } }
        guard let (name, why) = found.first else { return nil }
        let (subject, those) =
            found.count == 1 ? ("1 matrix is", "it") : ("\(found.count) matrices are", "the first")
        return "\(subject) \(words); \(those) is '\(name)': \(why)"
    }
}
