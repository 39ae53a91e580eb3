/// A whole file of blocks, mapped; each is compared with its checksum when it is read.
package struct BlockFile: Sendable {
    package let header: BlockFileHeader
    package var path: String { file.path }
    private let file: MappedFile
    private let start: Int

    /// Opens the file at `path`.
    ///
    /// - Throws: `CheckpointError` where it cannot be read or is damaged; `inconsistent` where it belongs to something
    ///   else than `header`.
    package init(path: String, expecting header: BlockFileHeader) throws(CheckpointError) {
        let file = try MappedFile(path: path)
        start = try header.check(file)
        let expected = start + header.blockCount * header.stride
        guard file.count == expected else {
            throw CheckpointError(
                .truncated, path: path, "has \(file.count) bytes, expected \(expected)",
                advice: "remove it; it is made anew")
        }
        self.header = header
        self.file = file
    }

    /// Calls `body` with the bytes of a block.
    ///
    /// - Throws: `CheckpointError` (`malformed`) where it is damaged.
    package func withBlock<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(CheckpointError) -> Result {
        precondition((0..<header.blockCount).contains(index), "block \(index) of \(header.blockCount)")
        let offset = start + index * header.stride
        guard Self.isWhole(file, at: offset, header) else {
            throw CheckpointError(
                .malformed, path: file.path, offset: offset, "block \(index) is damaged",
                advice: "remove the file; it is made anew")
        }
        return withExtendedLifetime(file) {
            body(UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + header.blockSize]))
        }
    }

    /// Whole blocks from the start of a file that was not finished.
    package static func wholeBlocks(_ file: MappedFile, from start: Int, _ header: BlockFileHeader) -> Int {
        var count = 0
        while count < header.blockCount, start + (count + 1) * header.stride <= file.count,
            isWhole(file, at: start + count * header.stride, header)
        {
            count += 1
        }
        return count
    }

    private static func isWhole(_ file: MappedFile, at offset: Int, _ header: BlockFileHeader) -> Bool {
        let end = offset + header.blockSize
        var hash = XXHash64()
        hash.update(UnsafeRawBufferPointer(rebasing: file.bytes[offset..<end]))
        return hash.value
            == UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: end, as: UInt64.self))
    }
}
