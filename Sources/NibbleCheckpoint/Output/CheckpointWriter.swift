internal import CLibrary

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
        try OutputPlace(layout).check(replacing: replacing)
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

    private static func checkSpace(_ layout: CheckpointLayout) throws(CheckpointError) {
        let parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
        guard let free = FilePath.freeBytes(parent) else {
            throw .system("cannot read the free space", path: parent)
        }
        guard free >= layout.totalSize else {
            throw CheckpointError(
                .inputOutput, path: layout.path,
                "needs \(ByteText.text(layout.totalSize)), the disk of '\(parent)' has \(ByteText.text(free)) free",
                advice: "free some space or write elsewhere")
        }
    }

    private func open(_ file: CheckpointLayout.File) throws(CheckpointError) -> Int32 {
        let path = staging.path(of: file.name)
        // Errors name what the caller asked for.
        let place = FilePath.join(layout.folder, file.name)
        let descriptor = Self.open(path, Self.newFile)
        guard descriptor >= 0 else { throw .system("cannot create", path: place) }
        guard ftruncate(descriptor, off_t(file.size)) == 0 else {
            let error = CheckpointError.system("cannot take \(file.size) bytes", path: place)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static let newFile = O_WRONLY | O_CREAT | O_EXCL

    private static func open(_ path: String, _ flags: Int32) -> Int32 {
        #if canImport(Darwin)
            Darwin.open(path, flags | O_CLOEXEC, 0o644)
        #elseif canImport(Musl)
            Musl.open(path, flags | O_CLOEXEC, 0o644)
        #else
            Glibc.open(path, flags | O_CLOEXEC, 0o644)
        #endif
    }

    /// Writes `bytes` at `offset` of file number `file`.
    public func write(_ bytes: UnsafeRawBufferPointer, file: Int, offset: Int) throws(CheckpointError) {
        try Self.write(bytes, to: descriptors[file], offset: offset) { [layout] in
            FilePath.join(layout.folder, layout.files[file].name)
        }
    }

    /// Writes a small file beside its place, renames it and waits until it is on disk.
    package static func write(_ text: String, to path: String) throws(CheckpointError) {
        try write(Array(text.utf8), to: path, replacing: true, flush: true)
    }

    /// Writes a file of some bytes beside its place and renames it.
    ///
    /// - Parameter flush: whether to wait until it is on disk.
    package static func write(
        _ contents: [UInt8], to path: String, replacing: Bool, flush: Bool = false
    ) throws(CheckpointError) {
        try CheckpointWriter(
            .file(path: path, header: contents, size: contents.count), replacing: replacing
        ).commit(flush: flush)
    }

    /// Writes a GGUF file of tensors in memory beside its place and renames it.
    package static func write(
        _ metadata: GGUFMetadata, _ tensors: [(CheckpointLayout.Tensor, bytes: [UInt8])], to path: String,
        replacing: Bool
    ) throws(CheckpointError) {
        let layout = try CheckpointLayout.gguf(
            path: path, metadata: metadata, tensors: tensors.map(\.0), splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: replacing)
        for (tensor, place) in zip(tensors, layout.placements) {
            try tensor.bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
                try writer.write(bytes, file: place.file, offset: place.offset)
            }
        }
        try writer.commit(flush: false)
    }

    /// Writes all of `bytes` at `offset` of an open file; `path` is asked for where that fails.
    package static func write(
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
        // Errors name what the caller asked for.
        let place = FilePath.join(layout.folder, companion.name)
        let parent = FilePath.folder(of: path)
        guard FilePath.isFolder(parent) || mkdir(parent, 0o755) == 0 else {
            throw .system("cannot create", path: FilePath.folder(of: place))
        }
        let descriptor = Self.open(path, Self.newFile)
        guard descriptor >= 0 else { throw .system("cannot create", path: place) }
        defer { close(descriptor) }
        try companion.contents.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try Self.write(bytes, to: descriptor, offset: 0) { place }
        }
    }

    private func flushWritten(_ companion: HubFile) throws(CheckpointError) {
        // Opened again: there may be as many as there are chat templates.
        let file = Self.open(staging.path(of: companion.name), O_RDONLY)
        defer { close(file) }
        guard file >= 0, fsync(file) == 0 else {
            throw .system("cannot flush", path: FilePath.join(layout.folder, companion.name))
        }
    }

    /// Moves everything to its place.
    ///
    /// - Parameter flush: whether to wait until the bytes are on disk, so that a power cut leaves the old or
    ///   the new output, too; without, that holds for the end of the process only.
    public func commit(flush: Bool) throws(CheckpointError) {
        precondition(isOpen, "commit() after commit() or abort()")
        do throws(CheckpointError) {
            for (descriptor, file) in zip(descriptors, layout.files) where flush {
                guard fsync(descriptor) == 0 else {
                    throw CheckpointError.system(
                        "cannot flush", path: FilePath.join(layout.folder, file.name))
                }
            }
            for companion in layout.companions where flush { try flushWritten(companion) }
            try closeWritten()
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

    /// Some file systems say only now that the bytes did not reach them.
    private func closeWritten() throws(CheckpointError) {
        let written = descriptors
        descriptors = []
        var failure: CheckpointError?
        for (descriptor, file) in zip(written, layout.files) where close(descriptor) != 0 {
            failure = failure ?? .system("cannot write", path: FilePath.join(layout.folder, file.name))
        }
        if let failure { throw failure }
    }

    private func closeFiles() {
        for descriptor in descriptors { close(descriptor) }
        descriptors = []
    }
}
