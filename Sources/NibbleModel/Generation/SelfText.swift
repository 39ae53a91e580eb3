internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor
public import NibbleTokenizer

/// Text that an unquantized model writes itself, for training and calibration without any other: sequences drawn from its own probabilities at
/// temperature 1 (Liu et al. 2023, "LLM-QAT: data-free quantization aware training", section 3.1).
///
/// Each sequence begins with BOS, and goes on with tokens drawn from the whole vocabulary but control tokens, so that
/// a text does not end before its length. Where the vocabulary adds no BOS, the first token is drawn evenly from the
/// normal ones. Sequences are kept in a file, which a run that was stopped or killed goes on with to the same bytes.
///
/// A sequence depends on the teacher, the seed and its number; not on how many are drawn together, nor on the number of
/// threads.
public struct SelfText: Sendable {
    /// `TeacherDigest` of the teacher.
    public var teacherDigest: String
    /// Sequences to write.
    public var sequenceCount: Int
    /// Tokens of a sequence, BOS included; 2 or more.
    public var sequenceLength: Int
    /// What distinguishes one text from another.
    public var seed: UInt64

    /// Bytes that keys and values of the sequences may take that are written side by side; the text does not depend on it.
    public var cacheBytes = 2 << 30

    /// Leaves an eighth of some memory to keys and values, where that is less than ``cacheBytes``.
    ///
    /// - Parameter limit: bytes; nil: what the machine has.
    public mutating func boundMemory(by limit: Int?) {
        cacheBytes = min(cacheBytes, (limit ?? ProcessMemory.physicalBytes) / 8)
    }

    /// Describes a text.
    public init(teacherDigest: String, sequenceCount: Int, sequenceLength: Int, seed: UInt64) {
        precondition(
            sequenceCount > 0 && sequenceLength >= 2,
            "\(sequenceCount) sequences of \(sequenceLength) tokens")
        self.teacherDigest = teacherDigest
        self.sequenceCount = sequenceCount
        self.sequenceLength = sequenceLength
        self.seed = seed
    }

    /// Tokens of all sequences, BOS not counted: what is drawn.
    package func tokenCount(_ tokenizer: Tokenizer) -> Int {
        sequenceCount * (sequenceLength - (tokenizer.addsBeginning ? 1 : 0))
    }

    /// The tokens of all sequences without BOS, as ``TokenSequences`` takes them; written to `path` first where they are
    /// not there.
    ///
    /// - Parameters:
    ///   - progress: called with the tokens drawn so far.
    ///   - isCancelled: asked before every token.
    /// - Throws: `CheckpointError`: `inconsistent` where the file, or what was begun of it, is another text, `cancelled`,
    ///   or where it cannot be read or written; `TextError` where the vocabulary has nothing to begin with.
    public func tokens(
        path: String, teacher: LanguageModel, tokenizer: Tokenizer, progress: (Int) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> [Int32] {
        let beginning = tokenizer.addsBeginning ? tokenizer.beginning : nil
        let header = header(beginning: beginning)
        if !FilePath.exists(path) {
            let writer = SelfTextWriter(self, teacher: teacher, tokenizer: tokenizer, beginning: beginning)
            try writer.write(to: path, header: header, progress: progress, isCancelled: isCancelled)
        }
        let file = try BlockFile(path: path, expecting: header)
        var tokens: [Int32] = []
        tokens.reserveCapacity(sequenceCount * (header.blockSize / 4))
        for block in 0..<sequenceCount {
            tokens += try file.withBlock(block) { bytes in
                (0..<header.blockSize / 4).map {
                    Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
                }
            }
        }
        guard tokens.allSatisfy({ $0 >= 0 && Int($0) < teacher.vocabularySize }) else {
            throw CheckpointError(
                .malformed, path: path, "has a token beyond a vocabulary of \(teacher.vocabularySize)",
                advice: "remove the file; it is made anew")
        }
        return tokens
    }

    private func header(beginning: Int32?) -> BlockFileHeader {
        BlockFileHeader(
            magic: "NIBTEXT0",
            fields: [
                .init("teacher", .string(teacherDigest)), .init("seed", .string(String(seed))),
                .init("sequence_length", .integer(sequenceLength)),
                .init("beginning", beginning.map { .integer(Int($0)) } ?? .null),
            ],
            blockSize: 4 * (sequenceLength - (beginning == nil ? 0 : 1)), blockCount: sequenceCount)
    }
}
