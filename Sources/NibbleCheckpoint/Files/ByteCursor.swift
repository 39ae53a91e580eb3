/// Reads little-endian numbers from a mapped file, checking every access against the end.
struct ByteCursor {
    let file: MappedFile
    private let end: Int
    /// Byte that is read next.
    private(set) var position: Int

    init(_ file: MappedFile, at position: Int = 0, end: Int? = nil) {
        self.file = file
        self.position = position
        self.end = end ?? file.count
    }

    var path: String { file.path }
    var remaining: Int { end - position }

    /// Checks that `count` bytes follow, without reading them.
    func require(_ count: Int, for subject: @autoclosure () -> String) throws(CheckpointError) {
        guard count >= 0, count <= remaining else {
            throw CheckpointError(
                .truncated, path: path, offset: position, subject: subject(),
                "needs \(count) bytes, the file has \(remaining) left",
                advice: "the download may be incomplete")
        }
    }

    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type = Value.self, for subject: @autoclosure () -> String
    ) throws(CheckpointError) -> Value {
        let size = MemoryLayout<Value>.size
        try require(size, for: subject())
        let value = file.bytes.loadUnaligned(fromByteOffset: position, as: Value.self)
        position += size
        return Value(littleEndian: value)
    }

    mutating func skip(_ count: Int, for subject: @autoclosure () -> String) throws(CheckpointError) {
        try require(count, for: subject())
        position += count
    }

    mutating func bytes(_ count: Int, for subject: @autoclosure () -> String) throws(CheckpointError)
        -> Slice<
            UnsafeRawBufferPointer
        >
    {
        let start = position
        try skip(count, for: subject())
        return file.bytes[start..<start + count]
    }

    /// Steps over strings, each behind its length in 64 bits, as long as they fit: hundreds of thousands in a vocabulary.
    ///
    /// - Returns: how many of `count` fit.
    mutating func skipStrings(_ count: Int, limit: Int) -> Int {
        let bytes = file.bytes
        var (place, done) = (position, 0)
        while done < count, end - place >= 8 {
            let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            guard length <= limit, length <= UInt64(end - place - 8) else { break }
            place += 8 + Int(length)
            done += 1
        }
        position = place
        return done
    }
}
