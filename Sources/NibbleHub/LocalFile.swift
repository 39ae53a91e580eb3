internal import CLibrary
internal import NibbleCheckpoint

/// A file of this machine, and where it goes in a repository.
struct LocalFile: Sendable {
    /// The path in the repository.
    let path: String
    /// The path here.
    let source: String
    /// Bytes.
    let size: Int
    private let changed: FileTime

    init(path: String, source: String) throws(HubError) {
        guard HubPath.isSafe(path) else {
            throw HubError(
                .invalidName, source, "cannot be called '\(path)' in a repository",
                advice: "rename it, or leave it out by --exclude")
        }
        (self.path, self.source) = (path, source)
        (size, changed) = try Self.status(source)
    }

    /// - Throws: ``HubError`` where the file was written since it was found.
    func checkUnchanged() throws(HubError) {
        let (size, changed) = try Self.status(source)
        guard size == self.size, changed == self.changed else {
            throw HubError(.inputOutput, source, "was written while it was sent", advice: "push again")
        }
    }

    /// Its first bytes, by which a hub tells texts from others.
    func sample() throws(HubError) -> [UInt8] { try bytes(0..<min(512, size)) }

    func contents() throws(HubError) -> [UInt8] { try bytes(0..<size) }

    /// Bytes of it.
    func bytes(_ range: Range<Int>) throws(HubError) -> [UInt8] {
        do throws(CheckpointError) {
            let file = try MappedFile(path: source)
            guard range.upperBound <= file.count else {
                throw CheckpointError(.inputOutput, path: source, "was shortened while it was sent")
            }
            return withExtendedLifetime(file) { Array(file.bytes[range]) }
        } catch {
            throw HubError(.inputOutput, source, error.problem)
        }
    }

    private static func status(_ path: String) throws(HubError) -> (size: Int, changed: FileTime) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw HubCache.system("cannot be read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HubError(.inputOutput, path, "is no regular file")
        }
        return (Int(status.st_size), FileTime(status))
    }

    // MARK: - Folders

    /// The files at a path: it, or those in the folder that are wanted, by path.
    ///
    /// Left out are names that begin with a dot but for `.gitattributes`, and what is not whole yet (`.part`, `.incomplete`).
    ///
    /// - Parameter prefix: the path in the repository, of the file or of the folder; nil for the file's name, or the root.
    static func files(at path: String, to prefix: String?, _ selection: HubSelection) throws(HubError)
        -> [LocalFile]
    {
        guard FilePath.isFolder(path) else {
            return [try LocalFile(path: prefix ?? FilePath.name(of: path), source: path)]
        }
        var files: [LocalFile] = []
        func walk(_ folder: String, _ inner: String) throws(HubError) {
            let names: [String]
            do throws(CheckpointError) { names = try FilePath.contents(of: folder) } catch {
                throw HubError(.inputOutput, folder, error.problem)
            }
            for name in names where !isLeftOut(name) {
                let (source, path) = (FilePath.join(folder, name), inner.isEmpty ? name : inner + "/" + name)
                if FilePath.isFolder(source) {
                    // A link could lead round in a circle.
                    guard FilePath.followingLink(source) == source else {
                        throw HubError(
                            .inputOutput, source, "is a link to a folder", advice: "push that folder itself")
                    }
                    try walk(source, path)
                } else if selection.isWanted(path) {
                    files.append(try LocalFile(path: prefix.map { $0 + "/" + path } ?? path, source: source))
                }
            }
        }
        try walk(path, "")
        guard !files.isEmpty else {
            throw HubError(.notFound, path, "holds no file that is wanted")
        }
        return files
    }

    private static func isLeftOut(_ name: String) -> Bool {
        name.hasPrefix(".") && name != ".gitattributes" || name.hasSuffix(".part")
            || name.hasSuffix(".incomplete")
    }
}
