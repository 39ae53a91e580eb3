internal import CLibrary

/// The lock of a folder: flock(2) on a file in it, which the system releases with the process, however
/// that ends.
package struct FolderLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock file at `path`, which is created where it is missing and stays.
    ///
    /// - Throws: `CheckpointError`: `invalidRequest` where a process has it, `inputOutput` where there can be none.
    package init(path: String) throws(CheckpointError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CheckpointError.system("cannot open the lock file", path: path)
        }
        // isHeld(path:) takes the lock for a moment to look; a moment later it is free again.
        for attempt in 1...10 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
                Self.write(process: getpid(), to: descriptor)
                // Set here alone: an error must not close the file twice.
                self.descriptor = descriptor
                return
            }
            guard errno == EWOULDBLOCK || errno == EINTR else {
                let error = CheckpointError.system("cannot lock", path: path)
                close(descriptor)
                throw error
            }
            if attempt < 10 { usleep(20_000) }
        }
        let owner = Self.process(path: path)
        close(descriptor)
        throw CheckpointError(
            .invalidRequest, path: FilePath.folder(of: path),
            "is in use by " + (owner.map { "process \($0)" } ?? "another process"),
            advice: "wait for it, or end it; what it saved is kept")
    }

    deinit { close(descriptor) }

    private static func write(process: pid_t, to descriptor: Int32) {
        // For messages alone: the lock is what counts, so a full disk does not matter here.
        let text = Array("\(process)\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    /// The process that took the lock last, as the file says.
    package static func process(path: String) -> Int? {
        guard let file = try? MappedFile(path: path) else { return nil }
        return withExtendedLifetime(file) {
            Int(String(decoding: file.bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        }
    }

    /// Whether a process has the lock now; false where there is no lock file. Needs no right to write.
    package static func isHeld(path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
