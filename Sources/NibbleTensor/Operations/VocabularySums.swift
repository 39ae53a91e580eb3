internal import CLibrary

/// Log-sum-exp, largest logit, target's logit and divergence from the first source, for every token of several
/// sources with one vocabulary.
///
/// The vocabulary is cut in ``segments`` parts, whatever the number of threads; each is walked in slices, and the
/// parts are put together in order. So results do not depend on threads, and memory is a few slices a thread.
public struct VocabularySums: Sendable {
    /// Parts of the vocabulary.
    static let segments = 32

    private let sources: Int
    private let tokens: Int
    /// `[source][token]`
    private var logSums: [Double]
    private var maxima: [Float]
    private var tops: [Int32]
    private var targets: [Double]
    private var divergences: [Double]

    /// - Parameters:
    ///   - sources: logits of the same tokens over the same vocabulary; the first is the base of divergences.
    ///   - targets: the token whose probability counts, for every token of the sources.
    /// - Returns: nil where a logit is NaN or positive infinity.
    public init?(_ sources: [any LogitSource], targets: [Int32], compute: Compute) {
        let tokens = sources[0].layout.length
        precondition(targets.count == tokens, "\(targets.count) targets for \(tokens) tokens")
        let size = sources[0].vocabularySize
        precondition(
            targets.allSatisfy { $0 >= 0 && Int($0) < size }, "a target beyond a vocabulary of \(size)")
        let walk = VocabularyWalk(sources, targets: targets, segments: Self.segments, compute: compute)
        guard walk.run() else { return nil }
        self.sources = sources.count
        self.tokens = tokens
        let count = sources.count * tokens
        logSums = Array(repeating: 0, count: count)
        maxima = Array(repeating: 0, count: count)
        tops = Array(repeating: 0, count: count)
        self.targets = Array(repeating: 0, count: count)
        divergences = Array(repeating: 0, count: count)
        for token in 0..<tokens { combine(walk, token, baseIsNormalized: sources[0].isNormalized) }
    }

    private mutating func combine(_ walk: VocabularyWalk, _ token: Int, baseIsNormalized: Bool) {
        for source in 0..<sources {
            var maximum = -Float.infinity
            var top: Int32 = 0
            for segment in 0..<Self.segments {
                let part = walk.maximum(segment, source, token)
                if part > maximum { (maximum, top) = (part, walk.top(segment, source, token)) }
            }
            var sum = 0.0
            for segment in 0..<Self.segments {
                sum +=
                    walk.sum(segment, source, token)
                    * exp(Double(walk.maximum(segment, source, token) - maximum))
            }
            let index = source * tokens + token
            logSums[index] = Double(maximum) + log(sum)
            maxima[index] = maximum
            tops[index] = top
            targets[index] = Double(walk.target(source, token))
            guard source > 0 else { continue }
            // With p = exp(b - n), KL = Σ p (b - n - o + lse_o) = Σ p (b - o) + (lse_o - n) Σ p.
            let normalizer = baseIsNormalized ? 0 : logSums[token]
            var cross = 0.0
            for segment in 0..<Self.segments {
                let part = Double(walk.maximum(segment, 0, token)) - normalizer
                cross += walk.cross(segment, source, token) * exp(part)
            }
            divergences[index] = cross + (logSums[index] - normalizer) * exp(logSums[token] - normalizer)
        }
    }

    /// -log p of a token's target.
    public func negativeLogLikelihood(source: Int, token: Int) -> Double {
        logSums[source * tokens + token] - targets[source * tokens + token]
    }

    /// The token of the vocabulary with the largest logit; the first of several.
    public func top(source: Int, token: Int) -> Int32 { tops[source * tokens + token] }

    /// KL(first source || source) in nats.
    public func divergence(source: Int, token: Int) -> Double { divergences[source * tokens + token] }

    /// log Σ exp(logit).
    public func logSum(source: Int, token: Int) -> Double { logSums[source * tokens + token] }

    /// Σ exp(logit - largest logit).
    public func sumOfExponentials(source: Int, token: Int) -> Double {
        exp(logSum(source: source, token: token) - Double(maximum(source: source, token: token)))
    }

    /// The largest logit.
    public func maximum(source: Int, token: Int) -> Float { maxima[source * tokens + token] }
}
