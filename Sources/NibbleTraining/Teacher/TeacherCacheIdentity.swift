internal import NibbleCheckpoint

/// What a teacher's cache is made for; another value of any of these makes another cache.
struct TeacherCacheIdentity: Sendable, Equatable {
    /// `TeacherDigest` of the teacher.
    var teacherDigest: String
    /// ``TokenSequences/digest`` of the text.
    var textDigest: String
    /// What logits are divided by.
    var temperature: Float
    /// Probabilities that are kept of a token.
    var top: Int
    /// Tokens of the vocabulary.
    var vocabularySize: Int
    /// Tokens of a sequence.
    var sequenceLength: Int
    /// Sequences that are kept.
    var sequenceCount: Int
    /// The order of the text's sequences of which the first are kept; nil where all are.
    var seed: UInt64?
    /// The shares of the text's kinds in this order; empty where all sequences are kept, or the run has no mixture.
    var mixture: [Recipe.Training.Share] = []

    /// Bytes on disk that a token takes: 6 an entry and 4 for the tail.
    var bytesPerToken: Int { 6 * top + 4 }

    /// Bytes of the whole file, but for its header.
    var byteCount: Int { sequenceCount * header.stride }

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
            ] + (mixture.isEmpty ? [] : [.init("mixture", .string(RecipeFormat.shares.text(mixture)))]),
            blockSize: sequenceLength * bytesPerToken, blockCount: sequenceCount)
    }
}
