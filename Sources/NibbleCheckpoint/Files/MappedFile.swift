internal import CLibrary

// @unchecked: the mapping is read-only and lives as long as the object; no stored property changes.
/// A file mapped read-only into memory.
///
/// Pages are loaded when first touched and belong to the system's cache, so that a checkpoint larger than
/// memory can be mapped whole; ``release(_:)`` returns pages that will not be read again.
///
/// The file must not be shortened while mapped: the system then ends the process on access (SIGBUS).
public final class MappedFile: @unchecked Sendable {
    /// The path as it was opened.
    public let path: String
    /// The whole file.
    public let bytes: UnsafeRawBufferPointer
    /// Identity of the file on its file system, to recognise an output that is also the input.
    public let identity: FileIdentity

    /// Bytes in the file.
    public var count: Int { bytes.count }

    /// Maps the regular file at `path`.
    public init(path: String) throws(CheckpointError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open", path: path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("cannot read the size", path: path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw CheckpointError(
                .inputOutput, path: path, isFolder ? "is a folder" : "is not a regular file",
                advice: isFolder ? "name a file in it" : "copy it into a file first")
        }
        let size = Int(status.st_size)
        self.path = path
        identity = FileIdentity(device: UInt64(status.st_dev), file: UInt64(status.st_ino))
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED
        else {
            throw .system("cannot map \(ByteText.text(size))", path: path)
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
        // The object is whole by now: deinit ends the mapping where this throws.
        if let error = LargeFilePointer(bytes).map({ $0.error(path: path) }) { throw error }
    }

    /// Holds a copy of `bytes`, which came from what cannot be mapped.
    init(copying bytes: [UInt8], path: String) throws(CheckpointError) {
        self.path = path
        identity = FileIdentity(device: 0, file: 0)
        guard !bytes.isEmpty else {
            self.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard
            let address = mmap(
                nil, bytes.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0),
            address != MAP_FAILED
        else { throw .system("cannot hold \(ByteText.text(bytes.count))", path: path) }
        UnsafeMutableRawBufferPointer(start: address, count: bytes.count).copyBytes(from: bytes)
        self.bytes = UnsafeRawBufferPointer(start: address, count: bytes.count)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }

    /// Throws where the file is empty, which says more than a header that is cut short.
    func requireContents() throws(CheckpointError) {
        guard count == 0 else { return }
        throw CheckpointError(.truncated, path: path, "is empty", advice: "the download may have failed")
    }

    /// Asks the system to load the pages of `range` now, in one call rather than page by page on access.
    /// A hint: nothing happens where the system does not support it.
    public func prefetch(_ range: Range<Int>) {
        #if os(Linux)
            let populateRead: Int32 = 22  // MADV_POPULATE_READ, Linux 5.14; absent from older headers
            advise(outward(range), populateRead)
        #endif
    }

    /// Returns the pages that lie wholly in `range`. Reading them again loads them again.
    public func release(_ range: Range<Int>) {
        // Pages of a copy would come back empty.
        guard identity.file != 0 else { return }
        advise(inward(range), Int32(MADV_DONTNEED))
    }

    /// Reads the whole file once, a piece at a time, whose pages are given back.
    package func forEachPiece(_ body: (UnsafeRawBufferPointer) -> Void) {
        for start in stride(from: 0, to: count, by: Self.piece) {
            let range = start..<min(start + Self.piece, count)
            body(UnsafeRawBufferPointer(rebasing: bytes[range]))
            release(range)
        }
    }

    private static let piece = 1 << 24

    private func advise(_ range: Range<Int>, _ advice: Int32) {
        guard let start = bytes.baseAddress, !range.isEmpty else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: start + range.lowerBound), range.count, advice)
    }

    private func inward(_ range: Range<Int>) -> Range<Int> {
        let page = Int(getpagesize())
        let lower = (range.lowerBound + page - 1) / page * page
        // The last page of the file is whole even where the file ends inside it.
        let upper = range.upperBound == count ? count : range.upperBound / page * page
        return lower < upper ? lower..<upper : lower..<lower
    }

    private func outward(_ range: Range<Int>) -> Range<Int> {
        let page = Int(getpagesize())
        return range.lowerBound / page * page..<range.upperBound
    }
}

/// What a file is, whatever its path: device and file number.
public struct FileIdentity: Hashable, Sendable {
    var device: UInt64
    var file: UInt64

    /// The identity of the file or folder at `path`, following links; nil where there is none.
    public init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(device: UInt64(status.st_dev), file: UInt64(status.st_ino))
    }

    init(device: UInt64, file: UInt64) {
        self.device = device
        self.file = file
    }
}

extension CheckpointError {
    /// The system's own reason (`errno`) for a call that just failed.
    package static func system(_ problem: String, path: String) -> CheckpointError {
        let number = errno
        let advice: String? =
            switch number {
            case ENOENT: "check the path"
            case EACCES, EPERM: "check the permissions"
            case ENOSPC, EDQUOT: "free some space or write elsewhere"
            case EROFS: "write elsewhere"
            default: nil
            }
        return CheckpointError(
            .inputOutput, path: path, "\(problem): \(String(cString: strerror(number)))", advice: advice)
    }
}
