internal import NibbleCheckpoint

/// How far a teacher's cache is, read from its file while a process may be writing it.
public struct TeacherCacheStatus: Sendable, Equatable {
    /// The file, as it will be named when it is whole.
    public var path: String
    /// Probabilities that are kept of a token.
    public var top: Int
    /// Tokens whose probabilities are there.
    public var tokens: Int
    /// Tokens of the whole file.
    public var totalTokens: Int
    /// Bytes of the file. Checksums were not compared.
    public var byteCount: Int

    /// Looks at the cache at `path`, or at what was written of it; nil where nothing was yet.
    ///
    /// - Throws: `CheckpointError` where it is no cache or damaged.
    init?(path: String) throws(CheckpointError) {
        guard let file = try Self.open(path) else { return nil }
        let fields: JSONValue
        let start: Int
        do throws(CheckpointError) {
            (fields, start) = try BlockFileHeader.read(file, magic: TeacherCacheIdentity.magic)
        } catch {
            // A process that has just begun has not written all of the description.
            guard file.path != path, error.code == .truncated else { throw error }
            return nil
        }
        func number(_ name: String) throws(CheckpointError) -> Int {
            guard let value = fields[name]?.integer, value > 0, value <= Int32.max else {
                throw CheckpointError(
                    .malformed, path: file.path, subject: "'\(name)'",
                    "is missing or no integer from 1 to \(Int32.max)", advice: "remove it; it is made anew")
            }
            return value
        }
        let (length, blocks) = (try number("sequence_length"), try number("blocks"))
        let stride = try number("block_bytes") + BlockFileHeader.checksumSize
        self.path = path
        top = try number("top")
        tokens = min((file.count - start) / stride, blocks) * length
        totalTokens = blocks * length
        byteCount = file.count
    }

    private static func open(_ path: String) throws(CheckpointError) -> MappedFile? {
        let part = BlockFileWriter.partPath(path)
        guard !FilePath.exists(path), FilePath.exists(part) else {
            return FilePath.exists(path) ? try MappedFile(path: path) : nil
        }
        do throws(CheckpointError) {
            return try MappedFile(path: part)
        } catch {
            // It was renamed meanwhile.
            guard FilePath.exists(path) else { throw error }
            return try MappedFile(path: path)
        }
    }
}
