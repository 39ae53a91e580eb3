internal import NibbleCheckpoint

/// Text that models pass through: documents as one stream of tokens, cut into sequences of one length.
///
/// ```swift
/// let text = try TokenSequences(paths: ["books", "wiki.jsonl"], tokenizer: tokenizer, sequenceLength: 512)
/// let (heldOut, training) = try text.heldOut(sequences: 8)
/// print(training.sequence(0))  // 512 tokens
/// ```
///
/// Documents follow one another without BOS; between them stands nothing but EOS, where the vocabulary adds one
/// at the end of a text. Where the vocabulary adds BOS, each sequence begins with it, as llama-perplexity has it in
/// each chunk, and goes on with `sequenceLength - 1` tokens of the stream; else it is `sequenceLength` tokens of the
/// stream. So a sequence may begin within a document and reach into the next. What does not fill a sequence at the
/// end is left out. Texts of control tokens (`<eos>`) in the text stay text.
///
/// A text may be put together of several kinds (``init(kinds:)``), each cut for itself, of which a run takes shares.
///
/// Four bytes of memory a token.
public struct TokenSequences: Sendable {
    /// Tokens of a sequence, BOS included.
    public let sequenceLength: Int
    /// The token that begins every sequence, where the vocabulary adds one.
    public let beginning: Int32?
    /// All documents, one after the other, without BOS.
    private let stream: [Int32]
    /// Where in the stream each sequence begins that is still here.
    private let starts: [Int]
    /// The kinds that it is put together of; one without a name where it is not.
    public let kinds: [Kind]

    /// A kind of text, and the sequences that are of it.
    public struct Kind: Sendable, Equatable {
        /// What it is called; nil for a text of one kind.
        public var name: String?
        /// Numbers of its sequences.
        public var sequences: Range<Int>
    }

    /// Cuts a stream of tokens.
    ///
    /// - Parameters:
    ///   - stream: the documents' tokens without BOS.
    ///   - beginning: the BOS token of a vocabulary that adds one, else nil.
    ///   - sequenceLength: tokens of a sequence, BOS included; 2 or more.
    ///   - name: what the tokens come from, for errors.
    /// - Throws: ``TextError`` where the stream does not fill one sequence.
    public init(
        stream: [Int32], beginning: Int32?, sequenceLength: Int, name: String
    ) throws(TextError) {
        precondition(sequenceLength >= 2, "sequences of \(sequenceLength) tokens")
        let payload = sequenceLength - (beginning == nil ? 0 : 1)
        guard stream.count >= payload else {
            throw TextError(
                name,
                "has \(stream.count) tokens, a sequence of \(sequenceLength) needs \(payload)",
                advice: "add text, or lower train.sequence_length")
        }
        self.init(
            stream: stream, beginning: beginning, sequenceLength: sequenceLength,
            starts: (0..<stream.count / payload).map { $0 * payload },
            kinds: [Kind(sequences: 0..<stream.count / payload)])
    }

    private init(stream: [Int32], beginning: Int32?, sequenceLength: Int, starts: [Int], kinds: [Kind]) {
        self.stream = stream
        self.beginning = beginning
        self.sequenceLength = sequenceLength
        self.starts = starts
        self.kinds = kinds
    }

    /// Puts texts of several kinds together: the sequences of each are those that it has alone.
    ///
    /// - Parameter kinds: texts of one vocabulary and sequence length, with names that differ; one or more.
    public init(kinds: [(name: String, text: TokenSequences)]) {
        precondition(
            Set(kinds.map { [Int($0.text.beginning ?? -1), $0.text.sequenceLength] }).count == 1
                && Set(kinds.map(\.name)).count == kinds.count,
            "texts of one vocabulary and sequence length, each with a name of its own")
        var stream: [Int32] = []
        var starts: [Int] = []
        var ranges: [Kind] = []
        for (name, text) in kinds {
            ranges.append(Kind(name: name, sequences: starts.count..<starts.count + text.sequenceCount))
            starts += text.starts.map { $0 + stream.count }
            stream += text.stream
        }
        self.init(
            stream: stream, beginning: kinds[0].text.beginning, sequenceLength: kinds[0].text.sequenceLength,
            starts: starts, kinds: ranges)
    }

    /// Sequences.
    public var sequenceCount: Int { starts.count }

    /// Tokens of all sequences, BOS included.
    public var tokenCount: Int { sequenceCount * sequenceLength }

    /// A sequence: `sequenceLength` tokens. `index` is in `0 ..< sequenceCount`.
    public func sequence(_ index: Int) -> [Int32] {
        precondition(starts.indices.contains(index), "sequence \(index) of \(sequenceCount)")
        let payload = sequenceLength - (beginning == nil ? 0 : 1)
        let start = starts[index]
        var tokens: [Int32] = []
        tokens.reserveCapacity(sequenceLength)
        if let beginning { tokens.append(beginning) }
        tokens.append(contentsOf: stream[start..<start + payload])
        return tokens
    }

    /// Some sequences, evenly spaced: of n those numbered ⌊i n / k⌋, i = 0 ..< k, with k the smaller of `count` and n.
    ///
    /// - Parameter shares: of each of the ``kinds``; then so many of each, evenly spaced among its own, or all that it has.
    public func sample(_ count: Int, shares: TextShares? = nil) -> [[Int32]] {
        taken(count, shares).flatMap { range, count in
            let count = min(count, range.count)
            return (0..<count).map { sequence(range.lowerBound + $0 * range.count / count) }
        }
    }

    /// Takes evenly spaced sequences out, for evaluation where there is no text of its own for it.
    ///
    /// Of n sequences, the k that are taken are those numbered ⌊(2i + 1) n / 2k⌋, i = 0 ..< k. They are neighbours
    /// of what is trained on, and flatter the result where one document spans many sequences: a text of its own is
    /// better.
    ///
    /// - Parameters:
    ///   - count: how many, 1 or more.
    ///   - shares: of each of the ``kinds``; then so many of each, evenly spaced among its own.
    /// - Returns: the sequences, and the text without them.
    /// - Throws: ``TextError`` where no sequence, or none of a kind, would be left.
    public func heldOut(
        sequences count: Int, shares: TextShares? = nil
    ) throws(TextError) -> (sequences: [[Int32]], rest: TokenSequences) {
        precondition(count >= 1, "\(count) sequences held out")
        var taken: [Int] = []
        for (range, count) in self.taken(count, shares) {
            guard count < range.count else { throw tooShort(range, heldOut: count, isKind: shares != nil) }
            taken += (0..<count).map { range.lowerBound + (2 * $0 + 1) * range.count / (2 * count) }
        }
        let isTaken = Set(taken)
        var left: [Int] = []
        var ranges: [Kind] = []
        for kind in kinds {
            let own = kind.sequences.filter { !isTaken.contains($0) }
            ranges.append(Kind(name: kind.name, sequences: left.count..<left.count + own.count))
            left += own
        }
        let rest = TokenSequences(
            stream: stream, beginning: beginning, sequenceLength: sequenceLength,
            starts: left.map { starts[$0] }, kinds: ranges)
        return (taken.map(sequence), rest)
    }

    /// How many sequences are taken from which.
    private func taken(_ count: Int, _ shares: TextShares?) -> [(range: Range<Int>, count: Int)] {
        guard let shares else { return [(0..<sequenceCount, count)] }
        precondition(shares.kindCount == kinds.count, "\(shares.kindCount) shares of \(kinds.count) kinds")
        return zip(kinds, shares.counts(of: count)).map { ($0.sequences, $1) }
    }

    private func tooShort(_ range: Range<Int>, heldOut count: Int, isKind: Bool) -> TextError {
        let name = isKind ? kinds.first { $0.sequences == range }?.name : nil
        return TextError(
            name.map { "text '\($0)'" } ?? "text",
            "has \(range.count) sequences of \(sequenceLength) tokens (\(range.count * sequenceLength) tokens), holding out"
                + " \(count) needs \(count + 1) (\((count + 1) * sequenceLength) tokens)",
            advice: "add text, lower evaluation.chunks, or give a text for evaluation")
    }

    /// SHA-256 in hexadecimal of the tokens of some sequences in order, 32 bits each.
    package static func digest(of sequences: [[Int32]]) -> String {
        var hash = SHA256()
        for sequence in sequences { sequence.withUnsafeBytes { hash.update($0) } }
        return hash.hex
    }

    /// SHA-256 in hexadecimal of the sequence length and the number of sequences (64 bits each, little-endian),
    /// the tokens of all sequences in order (32 bits each) and, where it has kinds, their names, each behind its length, and
    /// numbers of sequences: tells whether a run goes on with the same text.
    ///
    /// - Complexity: `O(tokens)`, some 200 MB/s: keep it.
    public var digest: String {
        var hash = SHA256()
        for number in [sequenceLength, sequenceCount] {
            withUnsafeBytes(of: UInt64(number).littleEndian) { hash.update($0) }
        }
        for index in starts.indices {
            let tokens = sequence(index).map(\.littleEndian)
            tokens.withUnsafeBytes { hash.update($0) }
        }
        for kind in kinds {
            guard let name = kind.name else { continue }
            for number in [name.utf8.count, kind.sequences.count] {
                withUnsafeBytes(of: UInt64(number).littleEndian) { hash.update($0) }
            }
            Array(name.utf8).withUnsafeBytes { hash.update($0) }
        }
        return hash.hex
    }
}
