internal import NibbleCheckpoint

/// What a teacher's cache is made for; another value of any of these makes another cache.
public struct TeacherCacheIdentity: Sendable, Equatable {
    /// `TeacherDigest` of the teacher.
    public var teacherDigest: String
    /// ``TokenSequences/digest`` of the text.
    public var textDigest: String
    /// What logits are divided by.
    public var temperature: Float
    /// Probabilities that are kept of a token.
    public var top: Int
    /// Tokens of the vocabulary.
    public var vocabularySize: Int
    /// Tokens of a sequence.
    public var sequenceLength: Int
    /// Sequences that are kept.
    public var sequenceCount: Int
    /// The order of the text's sequences of which the first are kept; nil where all are.
    public var seed: UInt64?

    /// Creates an identity.
    public init(
        teacherDigest: String, textDigest: String, temperature: Float, top: Int, vocabularySize: Int,
        sequenceLength: Int, sequenceCount: Int, seed: UInt64?
    ) {
        precondition(temperature > 0, "temperature \(temperature)")
        precondition((1...vocabularySize).contains(top), "top \(top) of a vocabulary of \(vocabularySize)")
        precondition(
            sequenceLength > 0 && sequenceCount > 0, "\(sequenceCount) sequences of \(sequenceLength) tokens")
        self.teacherDigest = teacherDigest
        self.textDigest = textDigest
        self.temperature = temperature
        self.top = top
        self.vocabularySize = vocabularySize
        self.sequenceLength = sequenceLength
        self.sequenceCount = sequenceCount
        self.seed = seed
    }

    /// Bytes on disk that a token takes: 6 an entry and 4 for the tail.
    public var bytesPerToken: Int { 6 * top + 4 }

    /// Bytes of the whole file, but for its header.
    public var byteCount: Int { sequenceCount * header.stride }

    /// What the file begins with.
    static let magic = "NIBTEACH"

    /// The header of the file.
    var header: BlockFileHeader {
        BlockFileHeader(
            magic: Self.magic,
            fields: [
                .init("teacher", .string(teacherDigest)), .init("text", .string(textDigest)),
                .init("temperature", .string("\(temperature)")), .init("top", .integer(top)),
                .init("vocabulary", .integer(vocabularySize)),
                .init("sequence_length", .integer(sequenceLength)),
                .init("seed", seed.map { .string(String($0)) } ?? .null),
            ],
            blockSize: sequenceLength * bytesPerToken, blockCount: sequenceCount)
    }
}
