/// What a file of blocks holds: docs/design/0011-teacher-cache.md has the layout.
package struct BlockFileHeader: Sendable {
    /// Eight characters that tell the kind of file.
    package let magic: String
    /// What the blocks belong to, in their order: compared with what is expected when a file is opened.
    package let fields: [JSONValue.Member]
    /// Bytes of a block, its checksum not counted.
    package let blockSize: Int
    /// Blocks of the whole file.
    package let blockCount: Int

    private static let version: UInt32 = 1
    /// Blocks begin at a multiple of it.
    private static let alignment = 64
    /// Bytes of the checksum behind each block: XXH64, little-endian.
    package static let checksumSize = 8

    package init(magic: String, fields: [JSONValue.Member], blockSize: Int, blockCount: Int) {
        precondition(magic.utf8.count == 8, "magic '\(magic)' of \(magic.utf8.count) bytes, expected 8")
        precondition(blockSize > 0 && blockCount > 0, "\(blockCount) blocks of \(blockSize) bytes")
        self.magic = magic
        self.fields = fields
        self.blockSize = blockSize
        self.blockCount = blockCount
    }

    /// Bytes from the start of a block to that of the next.
    package var stride: Int { blockSize + Self.checksumSize }

    /// The bytes before the first block.
    package var bytes: [UInt8] {
        let all =
            fields + [
                .init("block_bytes", .integer(blockSize)), .init("blocks", .integer(blockCount)),
            ]
        var json = Array(JSONValue.object(all).serialized().utf8)
        let used = magic.utf8.count + 8 + json.count
        json += repeatElement(
            UInt8(ascii: " "), count: (Self.alignment - used % Self.alignment) % Self.alignment)
        var bytes = Array(magic.utf8)
        for number in [Self.version, UInt32(json.count)] {
            withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
        }
        return bytes + json
    }

    /// Checks that a file begins with this header; returns where its blocks begin.
    ///
    /// - Throws: `CheckpointError` where the file is of another kind or damaged; `inconsistent` where it belongs to
    ///   something else, naming what differs.
    package func check(_ file: MappedFile) throws(CheckpointError) -> Int {
        let (found, start) = try Self.read(file, magic: magic)
        try checkFields(found, path: file.path)
        guard file.bytes.prefix(start).elementsEqual(bytes) else {
            throw CheckpointError(
                .malformed, path: file.path, offset: 0, "its description is not as it is written",
                advice: "remove it; it is made anew")
        }
        return start
    }

    /// The description of a file, and where its blocks begin.
    ///
    /// - Throws: `CheckpointError` where the file is of another kind or damaged.
    package static func read(
        _ file: MappedFile, magic: String
    ) throws(CheckpointError) -> (fields: JSONValue, start: Int) {
        let prefix = magic.utf8.count + 8
        guard file.count >= prefix else {
            throw CheckpointError(
                .truncated, path: file.path, "has \(file.count) bytes, its header needs \(prefix)",
                advice: "remove it; it is made anew")
        }
        guard file.bytes.prefix(magic.utf8.count).elementsEqual(magic.utf8) else {
            throw CheckpointError(
                .malformed, path: file.path, offset: 0, "does not begin with '\(magic)'",
                advice: "choose another place")
        }
        func number(_ offset: Int) -> Int {
            Int(UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        guard number(prefix - 8) == Int(version) else {
            throw CheckpointError(
                .unsupported, path: file.path, offset: prefix - 8,
                "is of version \(number(prefix - 8)), expected \(version)",
                advice: "remove it; it is made anew")
        }
        let size = number(prefix - 4)
        guard size <= file.count - prefix else {
            throw CheckpointError(
                .truncated, path: file.path, offset: prefix,
                "its description needs \(size) bytes, the file has \(file.count - prefix) left",
                advice: "remove it; it is made anew")
        }
        let found = try JSONParser.parse(
            UnsafeRawBufferPointer(rebasing: file.bytes[prefix..<prefix + size]), path: file.path,
            base: prefix)
        return (found, prefix + size)
    }

    private func checkFields(_ found: JSONValue, path: String) throws(CheckpointError) {
        let all = fields + [.init("blocks", .integer(blockCount))]
        let different = all.compactMap { $0.difference(from: found) }
        guard different.isEmpty else {
            throw CheckpointError(
                .inconsistent, path: path, "was made for " + different.joined(separator: " and "),
                advice: "use what it was made for, or remove it, or choose another place")
        }
    }
}

extension JSONValue.Member {
    /// How this member differs from the one of the same name in `found`: `another seed (3, now 4)`; nil where it does
    /// not.
    package func difference(from found: JSONValue) -> String? {
        func text(_ value: JSONValue) -> String {
            String(value.serialized(pretty: false).filter { $0 != "\"" })
        }
        let (mine, other) = (text(value), found[name].map(text) ?? "missing")
        // Members of several things have names in the plural.
        let article = name.hasSuffix("s") ? "other" : "another"
        return mine == other ? nil : "\(article) \(name) (\(other), now \(mine))"
    }
}
