public import NibbleCheckpoint
internal import Synchronization

/// Writes a file of a base model's logits, for ``LogitsFileReader`` and `llama-perplexity --kl-divergence`.
///
/// The file is made at its full size under a temporary name beside its place, after a look at the free space (a
/// record takes two bytes for each token of the vocabulary: 37 GB for wikitext-2's test and 256 k tokens), and
/// takes its place when committed. Records may be written in any order, in slices, from several threads at once:
///
/// ```swift
/// let writer = try LogitsFileWriter(path: "base.logits", plan: plan, vocabularySize: 262_144, replacing: false)
/// try writer.setParameters(chunk: 0, index: 0, scale: encoding.scale, minimum: encoding.minimum)
/// try writer.writeCodes(chunk: 0, index: 0, firstToken: 0, codes: codes)
/// // … all records …
/// try writer.commit()
/// ```
public final class LogitsFileWriter: Sendable {
    private let writer: CheckpointWriter
    private let layout: LogitsFileLayout
    private let parametersWritten = Atomic<Int>(0)
    private let codesWritten = Atomic<Int>(0)

    /// Creates the file with all but its records.
    ///
    /// - Parameters:
    ///   - plan: the chunks, without stride: the format knows none.
    ///   - replacing: whether an existing file may be replaced.
    public init(
        path: String, plan: ChunkPlan, vocabularySize: Int, replacing: Bool
    ) throws(CheckpointError) {
        guard plan.stride == nil else {
            throw CheckpointError(
                .invalidRequest, path: path, "a file of logits cannot hold chunks with a stride",
                advice: "leave out the stride")
        }
        guard
            let layout = LogitsFileLayout(
                context: plan.window, vocabularySize: vocabularySize, chunkCount: plan.count)
        else {
            throw CheckpointError(
                .invalidRequest, path: path,
                "cannot hold \(plan.count) chunks of \(plan.window) tokens for a vocabulary of "
                    + "\(vocabularySize)",
                advice: "choose fewer chunks")
        }
        var header = LogitsFileLayout.magic
        header.reserveCapacity(layout.tokens.upperBound)
        let numbers = [layout.context, layout.vocabularySize, layout.chunkCount].map { Int32($0) }
        for number in numbers + plan.tokens.prefix(layout.tokenCount) {
            withUnsafeBytes(of: number.littleEndian) { header.append(contentsOf: $0) }
        }
        self.layout = layout
        writer = try CheckpointWriter(
            .file(path: path, header: header, size: layout.fileSize), replacing: replacing)
    }

    /// Bytes of the file.
    public var fileSize: Int { layout.fileSize }

    /// Writes the parameters of a record; once for each.
    public func setParameters(
        chunk: Int, index: Int, scale: Float, minimum: Float
    ) throws(CheckpointError) {
        let offset = layout.record(chunk: chunk, index: index)
        let bits = UInt64(minimum.bitPattern) << 32 | UInt64(scale.bitPattern)
        try write([bits.littleEndian], at: offset)
        parametersWritten.add(1, ordering: .relaxed)
    }

    /// Writes the codes of a slice of the vocabulary, from `firstToken` on; each token's once.
    public func writeCodes(
        chunk: Int, index: Int, firstToken: Int, codes: UnsafeBufferPointer<UInt16>
    ) throws(CheckpointError) {
        precondition(
            firstToken >= 0 && firstToken <= layout.vocabularySize - codes.count,
            "\(codes.count) codes from token \(firstToken) on, the vocabulary has \(layout.vocabularySize)")
        let start = layout.record(chunk: chunk, index: index) + LogitsFileLayout.parameterSize
        try writer.write(UnsafeRawBufferPointer(codes), file: 0, offset: start + 2 * firstToken)
        codesWritten.add(codes.count, ordering: .relaxed)
    }

    private func write(_ words: [UInt64], at offset: Int) throws(CheckpointError) {
        try words.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try writer.write(bytes, file: 0, offset: offset)
        }
    }

    /// Moves the file to its place. All records must have been written.
    public func commit(flush: Bool = false) throws(CheckpointError) {
        let parameters = parametersWritten.load(ordering: .relaxed)
        let codes = codesWritten.load(ordering: .relaxed)
        precondition(
            parameters == layout.recordCount && codes == layout.recordCount * layout.vocabularySize,
            "\(parameters) of \(layout.recordCount) records and \(codes) of "
                + "\(layout.recordCount * layout.vocabularySize) codes were written")
        try writer.commit(flush: flush)
    }

    /// Removes what was written, as the end of the writer's life does; nothing happens after ``commit(flush:)``.
    public func abort() { writer.abort() }
}
