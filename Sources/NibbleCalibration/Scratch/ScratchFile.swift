internal import CLibrary
internal import NibbleCheckpoint
internal import NibbleTensor

/// A file for what memory does not hold: bytes at any place, written and read again.
///
/// Not mapped: so the memory of the process holds what is worked on, and the system what it has room for.
final class ScratchFile: Sendable {
    let path: String
    private let descriptor: Int32

    /// What a thread writes or reads at a time.
    private static let piece = 4 << 20

    /// Opens the file at `path`, which is created where it is missing.
    init(path: String) throws(CheckpointError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("cannot open for writing", path: path) }
        self.path = path
        self.descriptor = descriptor
    }

    /// A file that loses its name at once: it is gone with this, or with the process.
    ///
    /// - Parameter path: of a name that nothing has.
    init(unnamedAt path: String) throws(CheckpointError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot open for writing", path: path) }
        unlink(path)
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Writes bytes, on all threads.
    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, _ compute: Compute
    ) throws(CheckpointError) {
        try compute.forEachRows(in: 0..<bytes.count, height: Self.piece) { range throws(CheckpointError) in
            do throws(CheckpointError) {
                try CheckpointWriter.write(
                    UnsafeRawBufferPointer(rebasing: bytes[range]), to: descriptor,
                    offset: offset + range.lowerBound, path: { path })
            } catch {
                var error = error
                error.advice = "free some space and run the same command again, which goes on from here"
                throw error
            }
        }
    }

    /// Reads bytes that were written, on all threads.
    func read(
        into bytes: UnsafeMutableRawBufferPointer, at offset: Int, _ compute: Compute
    ) throws(CheckpointError) {
        try compute.forEachRows(in: 0..<bytes.count, height: Self.piece) { range throws(CheckpointError) in
            var done = range.lowerBound
            while done < range.upperBound {
                let count = pread(
                    descriptor, bytes.baseAddress.map { $0 + done }, range.upperBound - done,
                    off_t(offset + done))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw .system("cannot read", path: path) }
                guard count > 0 else {
                    throw CheckpointError(
                        .truncated, path: path, offset: offset + done,
                        "ends here, \(range.upperBound - done) bytes too early",
                        advice: "it was changed by something else; remove its folder and begin again")
                }
                done += count
            }
        }
    }
}
