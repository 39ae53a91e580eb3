internal import NibbleNumerics

/// One GGUF file, version 2 or 3, header checked and tensors laid out (format: ggml/docs/gguf.md).
///
/// Everything that llama.cpp's reader (gguf.cpp) refuses is refused, with the byte where it stands. Metadata
/// values stay in the file until asked for.
///
/// ```swift
/// let file = try GGUFFile(path: "model.gguf")
/// let architecture = try file.metadata.value("general.architecture")?.text
/// ```
public struct GGUFFile: Sendable {
    /// The mapped file.
    public let file: MappedFile
    /// 2 or 3; the layout is the same.
    public let version: UInt32
    /// Key-value pairs in file order.
    public let metadata: GGUFMetadata
    /// Tensors in file order.
    public let tensors: [TensorEntry]
    /// Every tensor begins at a multiple of this from the start of the data.
    public let alignment: Int

    /// The alignment of files that do not state one.
    public static let defaultAlignment = 32
    static let magic: UInt32 = 0x4655_4747  // "GGUF"

    /// Maps and checks the file at `path`.
    public init(path: String) throws(CheckpointError) {
        try self.init(try MappedFile(path: path))
    }

    /// Checks a mapped file.
    public init(_ file: MappedFile) throws(CheckpointError) {
        self.file = file
        try file.requireContents()
        var cursor = ByteCursor(file)
        version = try Self.readVersion(&cursor)
        let tensorCount = try Self.readCount(&cursor, "tensor count", smallest: 24)
        let pairCount = try Self.readCount(&cursor, "key count", smallest: 13)
        metadata = try Self.readMetadata(&cursor, count: pairCount)
        alignment = try Self.alignment(metadata, path: file.path)
        tensors = try Self.readTensors(&cursor, count: tensorCount, alignment: alignment, file: file)
    }

    private static func readVersion(_ cursor: inout ByteCursor) throws(CheckpointError) -> UInt32 {
        guard try cursor.integer(UInt32.self, for: "magic") == magic else {
            throw CheckpointError(
                .malformed, path: cursor.path, offset: 0, "is not a GGUF file: it does not begin with 'GGUF'")
        }
        let version = try cursor.integer(UInt32.self, for: "version")
        guard version & 0xFFFF != 0 || version == 0 else {
            throw CheckpointError(
                .unsupported, path: cursor.path, offset: 4,
                "is big-endian (version reads \(version)); only little-endian files are supported")
        }
        guard version == 2 || version == 3 else {
            throw CheckpointError(
                .unsupported, path: cursor.path, offset: 4, "is GGUF version \(version), expected 2 or 3",
                advice: version == 1 ? "convert the original checkpoint again" : nil)
        }
        return version
    }

    /// A count of things that take at least `smallest` bytes each.
    private static func readCount(
        _ cursor: inout ByteCursor, _ subject: String, smallest: Int
    ) throws(CheckpointError) -> Int {
        let offset = cursor.position
        let count = try cursor.integer(Int64.self, for: subject)
        guard count >= 0, count <= cursor.remaining / smallest else {
            throw CheckpointError(
                count < 0 ? .malformed : .truncated, path: cursor.path, offset: offset, subject: subject,
                "is \(count), but the file has \(cursor.remaining) bytes left")
        }
        return Int(count)
    }

    private static func readMetadata(
        _ cursor: inout ByteCursor, count: Int
    ) throws(CheckpointError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        for index in 0..<count {
            let offset = cursor.position
            let key = try cursor.ggufString(for: "key \(index)")
            guard !key.isEmpty else {
                throw CheckpointError(.malformed, path: cursor.path, offset: offset, "key \(index) is empty")
            }
            guard !metadata.contains(key) else {
                throw CheckpointError(
                    .malformed, path: cursor.path, offset: offset, "key '\(key)' occurs twice")
            }
            let type = try cursor.valueType(key: key)
            let range = try cursor.skipGGUFValue(type, key: key)
            metadata.store(.stored(type, cursor.file, range), for: key)
        }
        return metadata
    }

    private static func alignment(_ metadata: GGUFMetadata, path: String) throws(CheckpointError) -> Int {
        guard let value = try metadata.value(GGUFKey.alignment) else { return defaultAlignment }
        guard case .uint32(let alignment) = value, alignment > 0, alignment.nonzeroBitCount == 1 else {
            throw CheckpointError(
                .malformed, path: path, subject: "key '\(GGUFKey.alignment)'",
                "is \(value.integer.map(String.init) ?? "of type \(value.typeName)"), expected a power of two as uint32"
            )
        }
        return Int(alignment)
    }
}
