internal import CLibrary

/// The temporary names beside an output, and the renames that make them the output.
struct StagingArea: Sendable {
    private let layout: CheckpointLayout
    private let process = getpid()

    init(_ layout: CheckpointLayout) { self.layout = layout }

    /// Where the file called `name` is written before it is in place.
    func path(of name: String) -> String {
        layout.isFolder ? FilePath.join(stagingFolder, name) : temporary(FilePath.join(layout.folder, name))
    }

    private var stagingFolder: String { temporary(layout.folder) }

    private func temporary(_ path: String) -> String {
        FilePath.join(FilePath.folder(of: path), Self.prefix(path) + String(process))
    }

    private static func prefix(_ path: String) -> String { ".\(FilePath.name(of: path)).partial-" }

    func create() throws(CheckpointError) {
        guard layout.isFolder else { return }
        guard mkdir(stagingFolder, 0o755) == 0 else { throw .system("cannot create", path: layout.folder) }
    }

    /// Moves the files, or the folder, to where they belong.
    func moveIntoPlace() throws(CheckpointError) {
        guard layout.isFolder else {
            // The first shard is opened first by readers, so it comes last.
            for file in layout.files.reversed() {
                let target = FilePath.join(layout.folder, file.name)
                guard rename(path(of: file.name), target) == 0 else {
                    throw .system("cannot move the finished file into place", path: target)
                }
            }
            return
        }
        guard FilePath.exists(layout.folder) else {
            guard rename(stagingFolder, layout.folder) == 0 else {
                throw .system("cannot move the finished folder into place", path: layout.folder)
            }
            return
        }
        // A folder that is not empty cannot be renamed over: exchange the two, then remove the old one.
        if !Self.exchange(stagingFolder, layout.folder) { try moveAsideAndReplace() }
        Self.removeFolder(stagingFolder)
    }

    /// Exchanges two folders in one step; false where the system or the file system cannot.
    private static func exchange(_ first: String, _ second: String) -> Bool {
        #if canImport(Darwin)
            return renamex_np(first, second, UInt32(RENAME_SWAP)) == 0
        #else
            // renameat2(2) is behind _GNU_SOURCE, which the system's module map does not set.
            typealias Rename =
                @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
            guard let symbol = dlsym(nil, "renameat2") else { return false }
            let renameExchange: UInt32 = 2
            return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first, AT_FDCWD, second, renameExchange)
                == 0
        #endif
    }

    /// The next best thing: between the two renames neither folder is in place, but both are whole.
    private func moveAsideAndReplace() throws(CheckpointError) {
        let aside = stagingFolder + ".old"
        guard rename(layout.folder, aside) == 0 else {
            throw .system("cannot move the old folder aside", path: layout.folder)
        }
        guard rename(stagingFolder, layout.folder) == 0 else {
            let error = CheckpointError.system(
                "cannot move the finished folder into place", path: layout.folder)
            _ = rename(aside, layout.folder)
            throw error
        }
        _ = rename(aside, stagingFolder)
    }

    func remove() {
        if layout.isFolder {
            Self.removeFolder(stagingFolder)
        } else {
            for file in layout.files { unlink(path(of: file.name)) }
        }
    }

    /// Removes what killed processes left for the same output.
    func removeLeftovers() {
        let targets =
            layout.isFolder ? [layout.folder] : layout.files.map { FilePath.join(layout.folder, $0.name) }
        for target in targets {
            let parent = FilePath.folder(of: target)
            let prefix = Self.prefix(target)
            for name in FilePath.names(in: parent) where name.hasPrefix(prefix) {
                guard let owner = pid_t(name.dropFirst(prefix.count)), owner == process || kill(owner, 0) != 0
                else {
                    continue
                }
                let path = FilePath.join(parent, name)
                if FilePath.isFolder(path) { Self.removeFolder(path) } else { unlink(path) }
            }
        }
    }

    /// Makes the renames themselves durable.
    func flushParent() {
        let parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
        let descriptor = open(parent, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private static func removeFolder(_ path: String) {
        for name in FilePath.names(in: path) {
            let item = FilePath.join(path, name)
            var status = stat()
            if lstat(item, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                removeFolder(item)
            } else {
                unlink(item)
            }
        }
        rmdir(path)
    }
}
