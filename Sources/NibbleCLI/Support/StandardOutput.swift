internal import Foundation
internal import Nibble

/// Where the results of a command go. `print` would not do: it says nothing of a disk that is full.
enum StandardOutput {
    /// Writes all bytes.
    ///
    /// - Throws: ``CheckpointError`` where the system does not take them: a full disk, a closed descriptor. Where the
    ///   reader of a pipe has gone, the process ends by SIGPIPE instead, without a word, as `head` expects it.
    static func write(_ bytes: some ContiguousBytes) throws(CheckpointError) {
        switch bytes.withUnsafeBytes({ writeAll($0, to: STDOUT_FILENO) }) {
        case nil: return
        case EPIPE:
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        case let number?:
            let advice = number == ENOSPC ? "free some space, or send the output elsewhere" : nil
            throw CheckpointError(
                .inputOutput, path: "standard output", "cannot write: \(String(cString: strerror(number)))",
                advice: advice)
        }
    }

    /// Writes `text` and a newline.
    static func print(_ text: String) throws(CheckpointError) { try write(Array((text + "\n").utf8)) }

    /// Writes `document`, which ends its line.
    static func print(_ document: JSONValue) throws(CheckpointError) {
        try write(Array(document.serialized().utf8))
    }
}

/// Where progress and errors go. What cannot be written is dropped: there is nowhere left to say so, and no work
/// should end for it.
enum StandardError {
    static func write(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { writeAll($0, to: STDERR_FILENO) }
    }
}

/// Writes all of `bytes`; the system's error number where that fails.
private func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = Foundation.write(
            descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count > 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            // The descriptor is shared with a program that does not wait for its writes.
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&request, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return nil
}

/// The three descriptors that every program takes for granted.
enum StandardStreams {
    /// Makes sure that they are open, lest a checkpoint be opened as number 1 and results be written into it; and that
    /// a reader who has gone is an error of the write rather than the end of a training.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        // A limit of the size of files is an error of the write, too.
        signal(SIGXFSZ, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // The lowest free number is this one. It is opened for reading where it would be written, and the other way
            // round, so that using it is still an error.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
