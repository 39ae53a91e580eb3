internal import CLibrary

extension MappedFile {
    /// The bytes of a text, which may come from anywhere: a regular file is mapped; a pipe, and for `-` standard input,
    /// is read to its end.
    package convenience init(text path: String) throws(CheckpointError) {
        guard path != "-" else {
            try self.init(reading: STDIN_FILENO, path: "standard input")
            return
        }
        guard !path.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: "text", "the path is empty",
                advice: "name a file, or - for standard input")
        }
        guard FilePath.isSpecial(path) else {
            try self.init(path: path)
            return
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open", path: path) }
        defer { close(descriptor) }
        try self.init(reading: descriptor, path: path)
    }

    /// Checks that at most one of the paths is `-`.
    package static func checkStandardInput(_ paths: [String]) throws(CheckpointError) {
        guard paths.count(where: { $0 == "-" }) < 2 else {
            throw CheckpointError(
                .invalidRequest, path: "standard input", "is named twice, and can be read once")
        }
    }

    /// Reads to the end of what `descriptor` gives.
    private convenience init(reading descriptor: Int32, path: String) throws(CheckpointError) {
        var bytes: [UInt8] = []
        let size = 1 << 16
        while true {
            var count = 0
            let start = bytes.count
            bytes.append(contentsOf: repeatElement(0, count: size))
            var number: Int32 = 0
            bytes.withUnsafeMutableBytes {
                count = read(descriptor, $0.baseAddress.map { $0 + start }, size)
                number = errno
            }
            bytes.removeLast(size - max(count, 0))
            if count == 0 { break }
            if count < 0, number != EINTR {
                errno = number
                throw .system("cannot read", path: path)
            }
        }
        try self.init(copying: bytes, path: path)
    }
}
