internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Sequences that are not trained on, and what a student makes of them.
struct HeldOutText: Sendable {
    let sequences: [[Int32]]
    /// Digest of the sequences.
    let digest: String

    init(_ sequences: [[Int32]]) {
        self.sequences = sequences
        var hash = SHA256()
        for sequence in sequences { sequence.withUnsafeBytes { hash.update($0) } }
        digest = hash.hex
    }

    /// Sequences that pass through the models at a time.
    private static let batch = 2

    /// Perplexity and divergence of the second half of every sequence.
    func score(_ student: LanguageModel, teacher: LanguageModel, step: Int) throws(ModelError) -> HeldOutScore
    {
        var (own, base, divergence) = (0.0, 0.0, 0.0)
        var count = 0
        for start in stride(from: 0, to: sequences.count, by: Self.batch) {
            let batch = Array(sequences[start..<min(start + Self.batch, sequences.count)])
            let length = batch[0].count
            let positions = length / 2..<length - 1
            let scores = try ScoringPass([teacher, student], sequences: batch, positions: positions)
                .scores(targets: batch.map { Array($0[(length / 2 + 1)...]) })
            for (teacherScore, studentScore) in zip(scores[0].joined(), scores[1].joined()) {
                base += teacherScore.negativeLogLikelihood
                own += studentScore.negativeLogLikelihood
                divergence += studentScore.divergence
                count += 1
            }
        }
        let tokens = Double(count)
        return HeldOutScore(
            step: step, perplexity: exp(own / tokens), teacherPerplexity: exp(base / tokens),
            divergence: divergence / tokens)
    }
}
