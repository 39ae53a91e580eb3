/// The few lines that git leaves in the place of a large file where git-lfs is not installed
/// (git-lfs, docs/spec.md).
struct LargeFilePointer {
    /// Bytes of the file that should be there; nil where the pointer does not say.
    private let byteCount: Int?

    private static let firstLine = "version https://git-lfs.github.com/spec/"
    /// Bytes that the specification allows a pointer at most, exclusive.
    private static let limit = 1024

    /// Nil where `bytes` are no such pointer.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count < Self.limit, bytes.starts(with: Self.firstLine.utf8) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        byteCount = lines.first { $0.hasPrefix("size ") }.flatMap { Int($0.dropFirst(5)) }
    }

    func error(path: String) -> CheckpointError {
        let size = byteCount.map { " of \(ByteText.text($0))" } ?? ""
        return CheckpointError(
            .missing, path: path, "is a pointer of git-lfs to a file\(size) that was not downloaded",
            advice: "run 'git lfs pull' in the repository, or download the file itself")
    }
}
