#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

// @unchecked: descriptors and names are set once, before the writer is shared; only `isOpen` changes, by the
// one owner that commits or aborts.
/// Writes a checkpoint beside its place and moves it there when whole.
///
/// Until ``commit(flush:)`` the old output, if any, is untouched; after it the new one stands in its place.
/// An error or ``abort()`` removes what was written. A killed process leaves files named
/// `.NAME.partial-PID`, which the next run for the same output removes.
///
/// ``write(_:file:offset:)`` may be called from several threads at once for ranges that do not overlap.
public final class CheckpointWriter: @unchecked Sendable {
    /// What is written.
    public let layout: CheckpointLayout
    private let staging: StagingArea
    private var descriptors: [Int32] = []
    private var isOpen = true

    /// Creates the files at their full size, headers and companions written.
    ///
    /// - Parameter replacing: whether an existing output may be replaced.
    /// - Throws: ``CheckpointError`` where the output exists and may not be replaced, the folder does not
    ///   exist or cannot be written, or the space does not suffice.
    public init(_ layout: CheckpointLayout, replacing: Bool) throws(CheckpointError) {
        self.layout = layout
        staging = StagingArea(layout)
        try Self.checkTarget(layout, replacing: replacing)
        staging.removeLeftovers()
        try Self.checkSpace(layout)
        do throws(CheckpointError) {
            try staging.create()
            for file in layout.files { descriptors.append(try open(file)) }
            for (index, file) in layout.files.enumerated() {
                try file.header.span.withUnsafeBytes { header throws(CheckpointError) in
                    try write(header, file: index, offset: 0)
                }
            }
            for companion in layout.companions { try write(companion) }
        } catch {
            abort()
            throw error
        }
    }

    deinit { abort() }

    private static func checkTarget(_ layout: CheckpointLayout, replacing: Bool) throws(CheckpointError) {
        let parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
        guard FilePath.isFolder(parent) else {
            throw CheckpointError(.inputOutput, path: parent, "no such folder", advice: "create it first")
        }
        let targets =
            layout.isFolder
            ? [layout.folder] : layout.files.map { FilePath.join(layout.folder, $0.name) }
        for target in targets where FilePath.exists(target) {
            guard replacing else {
                throw CheckpointError(
                    .invalidRequest, path: target, "exists already", advice: "--force replaces it")
            }
            guard layout.isFolder == FilePath.isFolder(target) else {
                throw CheckpointError(
                    .invalidRequest, path: target,
                    layout.isFolder
                        ? "is a file, and a folder is to be written"
                        : "is a folder, and a file is to be written")
            }
            if layout.isFolder { try checkReplaceable(folder: target) }
        }
    }

    /// A folder is replaced only where it is a hub folder, so that a slip of the keyboard costs no photos.
    private static func checkReplaceable(folder: String) throws(CheckpointError) {
        let names = FilePath.names(in: folder)
        guard names.isEmpty || names.contains("config.json") else {
            throw CheckpointError(
                .invalidRequest, path: folder, "is not empty and not a hub folder (it has no config.json)",
                advice: "choose another output")
        }
    }

    private static func checkSpace(_ layout: CheckpointLayout) throws(CheckpointError) {
        let parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
        var status = statvfs()
        guard statvfs(parent, &status) == 0 else { throw .system("cannot read the free space", path: parent) }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        guard free >= layout.totalSize else {
            throw CheckpointError(
                .inputOutput, path: layout.path,
                "needs \(layout.totalSize) bytes, \(parent) has \(free) free",
                advice: "free some space or write elsewhere")
        }
    }

    private func open(_ file: CheckpointLayout.File) throws(CheckpointError) -> Int32 {
        let path = staging.path(of: file.name)
        // Errors name what the caller asked for.
        let place = FilePath.join(layout.folder, file.name)
        let descriptor = Self.openForWriting(path)
        guard descriptor >= 0 else { throw .system("cannot create", path: place) }
        guard ftruncate(descriptor, off_t(file.size)) == 0 else {
            let error = CheckpointError.system("cannot take \(file.size) bytes", path: place)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func openForWriting(_ path: String) -> Int32 {
        #if canImport(Darwin)
            Darwin.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        #elseif canImport(Musl)
            Musl.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        #else
            Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        #endif
    }

    /// Writes `bytes` at `offset` of file number `file`.
    public func write(_ bytes: UnsafeRawBufferPointer, file: Int, offset: Int) throws(CheckpointError) {
        try Self.write(bytes, to: descriptors[file], offset: offset) { [layout] in
            FilePath.join(layout.folder, layout.files[file].name)
        }
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, offset: Int, path: () -> String
    ) throws(CheckpointError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("cannot write", path: path()) }
            done += count
        }
    }

    private func write(_ companion: HubFile) throws(CheckpointError) {
        let path = staging.path(of: companion.name)
        let descriptor = Self.openForWriting(path)
        guard descriptor >= 0 else { throw .system("cannot create", path: path) }
        defer { close(descriptor) }
        try companion.contents.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try Self.write(bytes, to: descriptor, offset: 0) { path }
        }
    }

    /// Moves everything to its place.
    ///
    /// - Parameter flush: whether to wait until the bytes are on disk, so that a power cut leaves the old or
    ///   the new output, too; without, that holds for the end of the process only.
    public func commit(flush: Bool) throws(CheckpointError) {
        precondition(isOpen, "commit() after commit() or abort()")
        do throws(CheckpointError) {
            for descriptor in descriptors where flush {
                guard fsync(descriptor) == 0 else {
                    throw CheckpointError.system("cannot flush", path: layout.path)
                }
            }
            closeFiles()
            try staging.moveIntoPlace()
            if flush { staging.flushParent() }
        } catch {
            abort()
            throw error
        }
        isOpen = false
    }

    /// Removes what was written; nothing happens after ``commit(flush:)``.
    public func abort() {
        guard isOpen else { return }
        isOpen = false
        closeFiles()
        staging.remove()
    }

    private func closeFiles() {
        for descriptor in descriptors { close(descriptor) }
        descriptors = []
    }
}
