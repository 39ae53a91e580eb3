internal import CLibrary

/// Writes a file of blocks beside its place, as `NAME.part`, and renames it when whole; goes on with what a killed
/// process wrote.
package struct BlockFileWriter: ~Copyable {
    private let header: BlockFileHeader
    private let path: String
    private var file: AppendedFile
    /// Blocks that are there.
    package private(set) var count: Int

    /// Where a file is written until it is whole.
    package static func partPath(_ path: String) -> String { path + ".part" }

    /// Begins a file for `path`, or goes on with one.
    ///
    /// - Parameter group: blocks that are computed together: a file goes on after a multiple of them.
    /// - Throws: `CheckpointError` where it cannot be written, `inconsistent` where what was begun belongs to something else than
    ///   `header`.
    package init(path: String, header: BlockFileHeader, group: Int) throws(CheckpointError) {
        precondition(group > 0, "groups of \(group) blocks")
        let part = Self.partPath(path)
        let bytes = header.bytes
        let whole = FilePath.exists(part) ? try Self.wholeBlocks(part, header) : nil
        let kept = whole.map { $0 == header.blockCount ? $0 : $0 / group * group }
        var file = try AppendedFile(path: part)
        try file.truncate(to: kept.map { bytes.count + $0 * header.stride } ?? 0)
        if kept == nil { try file.append(bytes) }
        // Set last: an error before must not close the file twice.
        count = kept ?? 0
        self.header = header
        self.path = path
        self.file = file
    }

    /// Whole blocks of what was begun; nil where not even its header is there.
    private static func wholeBlocks(_ part: String, _ header: BlockFileHeader) throws(CheckpointError) -> Int?
    {
        let file = try MappedFile(path: part)
        let bytes = header.bytes
        // A process that was killed at once wrote some of the header.
        if file.count < bytes.count, file.bytes.elementsEqual(bytes.prefix(file.count)) { return nil }
        let start = try header.check(file)
        return BlockFile.wholeBlocks(file, from: start, header)
    }

    /// Appends a block of the header's size.
    package mutating func append(_ block: [UInt8]) throws(CheckpointError) {
        precondition(
            block.count == header.blockSize && count < header.blockCount,
            "block \(count) of \(header.blockCount) with \(block.count) bytes, expected \(header.blockSize)")
        var hash = XXHash64()
        block.withUnsafeBytes { hash.update($0) }
        try file.append(block + withUnsafeBytes(of: hash.value.littleEndian) { Array($0) })
        count += 1
    }

    /// Moves the file to its place.
    package consuming func commit() throws(CheckpointError) {
        precondition(count == header.blockCount, "\(count) of \(header.blockCount) blocks")
        try file.flush()
        guard rename(Self.partPath(path), path) == 0 else { throw .system("cannot rename", path: path) }
    }
}
