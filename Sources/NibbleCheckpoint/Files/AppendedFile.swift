internal import CLibrary

/// A file that records are appended to, each handed to the system whole before the next.
///
/// What was appended outlives the process, even one that is killed; not a power cut, unless flushed.
package struct AppendedFile: ~Copyable {
    package let path: String
    private let descriptor: Int32
    private var size: Int

    /// Opens the file at `path` at its end; it is created where it is missing.
    ///
    /// - Parameter isNew: whether the file must not exist yet.
    package init(path: String, isNew: Bool = false) throws(CheckpointError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (isNew ? O_EXCL : 0), 0o644)
        guard descriptor >= 0 else { throw .system("cannot open for writing", path: path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = CheckpointError.system("cannot read the size", path: path)
            close(descriptor)
            throw error
        }
        // Set last: an error before must not close the file twice.
        self.path = path
        self.descriptor = descriptor
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Appends `record`; where that fails, nothing of it stays in the file.
    package mutating func append(_ record: some Collection<UInt8>) throws(CheckpointError) {
        let record = Array(record)
        var done = 0
        while done < record.count {
            let count = record.withUnsafeBytes {
                write(descriptor, $0.baseAddress.map { $0 + done }, record.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = CheckpointError.system("cannot write", path: path)
                // Half a record would run into the next one.
                if done > 0 { ftruncate(descriptor, off_t(size)) }
                throw error
            }
            done += count
        }
        size += record.count
    }

    /// Cuts the file after its first `count` bytes.
    package mutating func truncate(to count: Int) throws(CheckpointError) {
        precondition((0...size).contains(count), "\(count) bytes kept of \(size)")
        guard ftruncate(descriptor, off_t(count)) == 0 else { throw .system("cannot cut", path: path) }
        size = count
    }

    /// Waits until everything is on disk.
    package func flush() throws(CheckpointError) {
        guard fsync(descriptor) == 0 else { throw .system("cannot flush", path: path) }
    }
}
