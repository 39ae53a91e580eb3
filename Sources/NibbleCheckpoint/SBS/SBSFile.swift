/// gemma.cpp's single file (`io/blob_store.cc`): named blobs, one after the other at multiples of 256 bytes.
///
/// | form | |
/// |---|---|
/// | 1 | header, directory, blobs, zeros |
/// | 2 | a header of no blobs, blobs, zeros, directory, header |
///
/// A header is the magic `SBS\n`, the number of blobs and the size of the file; a directory the names, of 16 bytes each, and
/// then for each blob where it begins and how many bytes it has.
struct SBSFile: Sendable {
    let file: MappedFile
    /// Where blobs stand, by their names, and the names in order.
    let blobs: [String: Range<Int>]
    let names: [String]

    static let magic: UInt32 = 0x0A53_4253
    /// Blobs begin at multiples of this.
    static let alignment = 256
    /// Files end at multiples of this.
    static let endAlignment = 65_536
    private static let maximumCount = 16_383
    private static let headerSize = 16

    /// Maps and checks the file at `path`.
    init(path: String) throws(CheckpointError) {
        let file = try MappedFile(path: path)
        try file.requireContents()
        guard file.count >= Self.headerSize, file.word(0) == Self.magic else {
            throw CheckpointError(
                .malformed, path: path, offset: 0, subject: "header", "does not begin with 'SBS'",
                advice: "is this a file of gemma.cpp?")
        }
        var (header, directory) = (0, Self.headerSize)
        var count = Int(file.word(4))
        if count == 0 {
            header = file.count - Self.headerSize
            guard header >= Self.alignment, file.word(header) == Self.magic else {
                throw CheckpointError(
                    .truncated, path: path, offset: max(header, 0), subject: "header",
                    "of the end is missing", advice: "the download may be incomplete")
            }
            count = Int(file.word(header + 4))
            directory = header - 32 * count
        }
        guard (1...Self.maximumCount).contains(count), directory >= Self.headerSize,
            directory + 32 * count <= file.count
        else {
            throw CheckpointError(
                .malformed, path: path, offset: header + 4, subject: "number of blobs",
                "is \(count), at most \(Self.maximumCount) that fit the file are allowed")
        }
        let size = file.long(header + 8)
        guard size == UInt64(file.count) else {
            throw CheckpointError(
                size > UInt64(file.count) ? .truncated : .malformed, path: path, offset: header + 8,
                subject: "size of the file", "is \(size), the file has \(file.count) bytes",
                advice: size > UInt64(file.count) ? "the download may be incomplete" : nil)
        }
        var (blobs, names): ([String: Range<Int>], [String]) = ([:], [])
        for index in 0..<count {
            let place = directory + 16 * index
            let key = file.bytes[place..<place + 16].prefix { $0 != 0 }
            let name = String(decoding: key, as: UTF8.self)
            let range = directory + 16 * (count + index)
            let (start, length) = (file.long(range), file.long(range + 8))
            guard start <= UInt64(file.count), length <= UInt64(file.count) - start, length > 0, !name.isEmpty
            else {
                throw CheckpointError(
                    .malformed, path: path, offset: range, subject: "blob '\(name)'",
                    "has \(length) bytes from byte \(start), the file has \(file.count)")
            }
            guard blobs.updateValue(Int(start)..<Int(start + length), forKey: name) == nil else {
                throw CheckpointError(
                    .malformed, path: path, offset: place, subject: "blob '\(name)'", "is there twice")
            }
            names.append(name)
        }
        (self.file, self.blobs, self.names) = (file, blobs, names)
    }

    /// The bytes of a blob that must be there.
    func bytes(_ name: String) throws(CheckpointError) -> UnsafeRawBufferPointer {
        guard let range = blobs[name] else {
            throw CheckpointError(
                .missing, path: file.path, subject: "blob '\(name)'", "is missing",
                advice: "files of before 2025 have none: migrate them with gemma.cpp's migrate_weights")
        }
        return UnsafeRawBufferPointer(rebasing: file.bytes[range])
    }
}

extension MappedFile {
    fileprivate func word(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    fileprivate func long(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
