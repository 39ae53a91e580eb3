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
/// Four bytes of memory a token.
public struct TokenSequences: Sendable {
    /// Tokens of a sequence, BOS included.
    public let sequenceLength: Int
    /// The token that begins every sequence, where the vocabulary adds one.
    public let beginning: Int32?
    /// All documents, one after the other, without BOS.
    private let stream: [Int32]
    /// The number in the stream of each sequence that is still here.
    private let places: [Int]

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
            places: Array(0..<stream.count / payload))
    }

    private init(stream: [Int32], beginning: Int32?, sequenceLength: Int, places: [Int]) {
        self.stream = stream
        self.beginning = beginning
        self.sequenceLength = sequenceLength
        self.places = places
    }

    /// Sequences.
    public var sequenceCount: Int { places.count }

    /// Tokens of all sequences, BOS included.
    public var tokenCount: Int { sequenceCount * sequenceLength }

    /// A sequence: `sequenceLength` tokens. `index` is in `0 ..< sequenceCount`.
    public func sequence(_ index: Int) -> [Int32] {
        precondition(places.indices.contains(index), "sequence \(index) of \(sequenceCount)")
        let payload = sequenceLength - (beginning == nil ? 0 : 1)
        let start = places[index] * payload
        var tokens: [Int32] = []
        tokens.reserveCapacity(sequenceLength)
        if let beginning { tokens.append(beginning) }
        tokens.append(contentsOf: stream[start..<start + payload])
        return tokens
    }

    /// Some sequences, evenly spaced: of n those numbered ⌊i n / k⌋, i = 0 ..< k, with k the smaller of `count` and n.
    public func sample(_ count: Int) -> [[Int32]] {
        let count = min(count, sequenceCount)
        return (0..<count).map { sequence($0 * sequenceCount / count) }
    }

    /// Takes evenly spaced sequences out, for evaluation where there is no text of its own for it.
    ///
    /// Of n sequences, the k that are taken are those numbered ⌊(2i + 1) n / 2k⌋, i = 0 ..< k. They are neighbours
    /// of what is trained on, and flatter the result where one document spans many sequences: a text of its own is
    /// better.
    ///
    /// - Parameter count: how many, 1 or more.
    /// - Returns: the sequences, and the text without them.
    /// - Throws: ``TextError`` where no sequence would be left.
    public func heldOut(
        sequences count: Int
    ) throws(TextError) -> (sequences: [[Int32]], rest: TokenSequences) {
        precondition(count >= 1, "\(count) sequences held out")
        guard count < sequenceCount else {
            throw TextError(
                "text",
                "has \(sequenceCount) sequences of \(sequenceLength) tokens (\(tokenCount) tokens), holding out"
                    + " \(count) needs \(count + 1) (\((count + 1) * sequenceLength) tokens)",
                advice: "add text, lower evaluation.chunks, or give a text for evaluation")
        }
        let taken = (0..<count).map { (2 * $0 + 1) * sequenceCount / (2 * count) }
        let isTaken = Set(taken)
        let rest = TokenSequences(
            stream: stream, beginning: beginning, sequenceLength: sequenceLength,
            places: places.indices.filter { !isTaken.contains($0) }.map { places[$0] })
        return (taken.map(sequence), rest)
    }

    /// SHA-256 in hexadecimal of the tokens of some sequences in order, 32 bits each.
    package static func digest(of sequences: [[Int32]]) -> String {
        var hash = SHA256()
        for sequence in sequences { sequence.withUnsafeBytes { hash.update($0) } }
        return hash.hex
    }

    /// SHA-256 in hexadecimal of the sequence length and the number of sequences (64 bits each, little-endian) and
    /// the tokens of all sequences in order (32 bits each): tells whether a run goes on with the same text.
    ///
    /// - Complexity: `O(tokens)`, some 200 MB/s: keep it.
    public var digest: String {
        var hash = SHA256()
        for number in [sequenceLength, sequenceCount] {
            withUnsafeBytes(of: UInt64(number).littleEndian) { hash.update($0) }
        }
        for index in places.indices {
            let tokens = sequence(index).map(\.littleEndian)
            tokens.withUnsafeBytes { hash.update($0) }
        }
        return hash.hex
    }
}
