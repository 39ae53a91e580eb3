internal import NibbleCheckpoint

/// Where things are in a file of `llama-perplexity --kl-divergence-base`, little-endian
/// (`perplexity` and `log_softmax` in llama.cpp's tools/perplexity/perplexity.cpp):
///
///     "_logits_"                          8 bytes
///     context, vocabulary, chunks         Int32 each
///     tokens                              Int32[chunks][context], not replaced by BOS
///     records                             [chunks][context - 1 - context / 2]
///
/// and in a record
///
///     scale, minimum                      Float each
///     codes                               UInt16[vocabulary], one more of padding where that is odd
struct LogitsFileLayout: Sendable, Equatable {
    static let magic = Array("_logits_".utf8)
    static let headerSize = 20
    static let parameterSize = 8

    let context: Int
    let vocabularySize: Int
    let chunkCount: Int
    /// Bytes in all.
    let fileSize: Int

    /// Nil where a number is not positive, the context scores no token, or the size exceeds `Int`.
    init?(context: Int, vocabularySize: Int, chunkCount: Int) {
        guard context >= ChunkPlan.minimumContext, vocabularySize > 0, chunkCount > 0,
            max(context, vocabularySize, chunkCount) <= Int(Int32.max)
        else { return nil }
        self.context = context
        self.vocabularySize = vocabularySize
        self.chunkCount = chunkCount
        // Below 2^31 * (2^33 + 2^30 * 2^33), which may overflow.
        let record = Self.recordSize(vocabularySize)
        let (records, overflow) = (context - 1 - context / 2).multipliedReportingOverflow(by: record)
        let (chunks, overflow2) = (records &+ 4 * context).multipliedReportingOverflow(by: chunkCount)
        let (size, overflow3) = chunks.addingReportingOverflow(Self.headerSize)
        guard !overflow, records < Int.max / 2, !overflow2, !overflow3 else { return nil }
        fileSize = size
    }

    private static func recordSize(_ vocabularySize: Int) -> Int {
        parameterSize + 2 * ((vocabularySize + 1) / 2 * 2)
    }

    var recordSize: Int { Self.recordSize(vocabularySize) }
    var scoredPerChunk: Int { context - 1 - context / 2 }
    var recordCount: Int { chunkCount * scoredPerChunk }
    var tokenCount: Int { chunkCount * context }
    var tokens: Range<Int> { Self.headerSize..<Self.headerSize + 4 * tokenCount }

    /// Bytes of a chunk's records.
    func records(chunk: Int) -> Range<Int> {
        precondition((0..<chunkCount).contains(chunk), "chunk \(chunk) of \(chunkCount)")
        let start = tokens.upperBound + chunk * scoredPerChunk * recordSize
        return start..<start + scoredPerChunk * recordSize
    }

    /// Byte of a record.
    func record(chunk: Int, index: Int) -> Int {
        precondition((0..<scoredPerChunk).contains(index), "record \(index) of \(scoredPerChunk)")
        return records(chunk: chunk).lowerBound + index * recordSize
    }
}
