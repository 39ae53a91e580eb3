public import NibbleCheckpoint

/// A file of a base model's logits, as `llama-perplexity --kl-divergence-base` and ``LogitsFileWriter`` write it.
///
/// The file is mapped: it may be larger than memory. It is not trusted: sizes, tokens and the parameters of each
/// record are checked before they are used.
public struct LogitsFileReader: Sendable {
    private let file: MappedFile
    private let layout: LogitsFileLayout
    /// The tokens of all chunks, one after the other, not replaced by BOS.
    public let tokens: [Int32]

    /// Opens the file at `path`.
    public init(path: String) throws(CheckpointError) {
        let file = try MappedFile(path: path)
        layout = try Self.layout(of: file)
        self.file = file
        var tokens: [Int32] = []
        tokens.reserveCapacity(layout.tokenCount)
        for offset in stride(from: layout.tokens.lowerBound, to: layout.tokens.upperBound, by: 4) {
            let token = file.bytes.int32(at: offset)
            guard token >= 0, token < layout.vocabularySize else {
                throw CheckpointError(
                    .invalidValue, path: path, offset: offset, subject: "token \(tokens.count)",
                    "is \(token), the vocabulary has \(layout.vocabularySize)",
                    advice: "the file is damaged; write it again")
            }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    private static func layout(of file: MappedFile) throws(CheckpointError) -> LogitsFileLayout {
        guard file.count >= LogitsFileLayout.headerSize else {
            throw CheckpointError(
                .truncated, path: file.path,
                "has \(file.count) bytes, a file of logits at least \(LogitsFileLayout.headerSize)",
                advice: "write it again with llama-perplexity --kl-divergence-base")
        }
        guard file.bytes.prefix(LogitsFileLayout.magic.count).elementsEqual(LogitsFileLayout.magic) else {
            throw CheckpointError(
                .malformed, path: file.path, offset: 0, "does not begin with '_logits_': no file of logits",
                advice: "name a file written by llama-perplexity --kl-divergence-base")
        }
        let (context, vocabulary, chunks) = (
            file.bytes.int32(at: 8), file.bytes.int32(at: 12), file.bytes.int32(at: 16)
        )
        guard
            let layout = LogitsFileLayout(
                context: Int(context), vocabularySize: Int(vocabulary), chunkCount: Int(chunks))
        else {
            throw CheckpointError(
                .malformed, path: file.path, offset: 8,
                "announces a context of \(context), a vocabulary of \(vocabulary) and \(chunks) chunks",
                advice: "the file is damaged; write it again")
        }
        guard file.count >= layout.fileSize else {
            let whole = max(file.count - layout.tokens.upperBound, 0) / layout.records(chunk: 0).count
            throw CheckpointError(
                .truncated, path: file.path, offset: file.count,
                "announces \(chunks) chunks in \(layout.fileSize) bytes, \(whole) of them are there",
                advice: "writing it was interrupted, or the download; write it again")
        }
        guard file.count == layout.fileSize else {
            throw CheckpointError(
                .malformed, path: file.path, offset: layout.fileSize,
                "\(file.count - layout.fileSize) bytes follow the last of \(chunks) chunks",
                advice: "the file is damaged; write it again")
        }
        return layout
    }

    /// The path as it was opened.
    public var path: String { file.path }
    /// Tokens of a chunk.
    public var context: Int { layout.context }
    /// Tokens of the vocabulary.
    public var vocabularySize: Int { layout.vocabularySize }
    /// Number of chunks.
    public var chunkCount: Int { layout.chunkCount }
    /// Records of a chunk, one for each scored position.
    public var scoredPerChunk: Int { layout.scoredPerChunk }

    /// The chunks to evaluate a model on, so that it can be compared with the base model.
    ///
    /// - Parameters:
    ///   - bos: the BOS token of a vocabulary that adds one, else nil.
    ///   - limit: the largest number of chunks; nil for all.
    public func plan(bos: Int32?, limit: Int? = nil) throws(EvaluationError) -> ChunkPlan {
        if let limit, limit < 1 { throw .invalidChunkLimit(limit) }
        let count = min(chunkCount, limit ?? chunkCount) * context
        return ChunkPlan(cut: Array(tokens.prefix(count)), context: context, bos: bos)
    }

    /// The record of scored position `index` of a chunk, where 0 is the first of `ChunkPlan.scored`.
    ///
    /// - Throws: `CheckpointError` where its parameters are no numbers that logits give.
    public func record(chunk: Int, index: Int) throws(CheckpointError) -> LogitsRecord {
        let offset = layout.record(chunk: chunk, index: index)
        let scale = Float(bitPattern: UInt32(bitPattern: file.bytes.int32(at: offset)))
        let minimum = Float(bitPattern: UInt32(bitPattern: file.bytes.int32(at: offset + 4)))
        guard scale.isFinite, scale >= 0, minimum.isFinite, minimum <= 0 else {
            throw CheckpointError(
                .invalidValue, path: path, offset: offset, subject: "record \(index) of chunk \(chunk)",
                "the scale is \(scale) and the minimum \(minimum)",
                advice: "the base model gave no numbers here, or the file is damaged; write it again")
        }
        let start = offset + LogitsFileLayout.parameterSize
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + 2 * vocabularySize])
        // Aligned: a mapping starts at a page, and every size in the file is even.
        return LogitsRecord(scale: scale, minimum: minimum, codes: bytes.assumingMemoryBound(to: UInt16.self))
    }

    /// Asks the system to load a chunk's records now.
    public func prefetch(chunk: Int) { file.prefetch(layout.records(chunk: chunk)) }

    /// Gives back the memory of a chunk's records.
    public func release(chunk: Int) { file.release(layout.records(chunk: chunk)) }
}

extension UnsafeRawBufferPointer {
    fileprivate func int32(at offset: Int) -> Int32 {
        Int32(littleEndian: loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }
}
