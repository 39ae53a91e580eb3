internal import NibbleTokenizer

/// Sequences that are not trained on.
struct HeldOutText: Sendable {
    let sequences: [[Int32]]
    /// Digest of the sequences.
    let digest: String

    init(_ sequences: [[Int32]]) {
        self.sequences = sequences
        digest = TokenSequences.digest(of: sequences)
    }
}
