internal import CLibrary
internal import NibbleCheckpoint
internal import Synchronization

/// The folder of downloaded repositories, as huggingface_hub lays it out, so that Python and Nibble share files:
///
/// | path | |
/// |---|---|
/// | `models--OWNER--NAME/blobs/DIGEST` | contents by the digest that the hub has for them |
/// | `models--OWNER--NAME/blobs/DIGEST.incomplete` | what came of them so far |
/// | `models--OWNER--NAME/refs/REVISION` | the commit of a branch or tag |
/// | `models--OWNER--NAME/snapshots/COMMIT/PATH` | links to blobs |
/// | `.locks/models--OWNER--NAME/DIGEST.lock` | held by who downloads a blob |
struct HubCache: HubPlace {
    let root: String
    let repository: HubRepository

    /// The folder of the repository.
    var folder: String { FilePath.join(root, folderName) }
    private var folderName: String { "models--\(repository.owner)--\(repository.name)" }

    func path(of file: RemoteFile) -> String {
        FilePath.join(FilePath.join(folder, "blobs"), file.digest.digits)
    }

    func part(of file: RemoteFile) -> String { path(of: file) + ".incomplete" }

    /// By its size: what has a digest for its name was checked when it came, and is not edited.
    func holds(_ file: RemoteFile) -> Bool { HubDownload.size(of: path(of: file)) == file.size }

    func snapshot(_ commit: String) -> String {
        FilePath.join(FilePath.join(folder, "snapshots"), commit)
    }

    private func reference(_ revision: String) -> String {
        FilePath.join(FilePath.join(folder, "refs"), revision)
    }

    /// Makes the folders.
    func prepare() throws(HubError) {
        try Self.makeFolders(FilePath.join(folder, "blobs"))
        try Self.makeFolders(FilePath.join(FilePath.join(root, ".locks"), folderName))
    }

    // MARK: - Revisions

    /// The commit that a revision was at the last time; the revision itself where it is one.
    func commit(of revision: String) -> String? {
        if FilePath.isFolder(snapshot(revision)) { return revision }
        guard let file = try? MappedFile(path: reference(revision)) else { return nil }
        let text = withExtendedLifetime(file) { String(decoding: file.bytes.prefix(100), as: UTF8.self) }
        let commit = text.split(whereSeparator: \.isWhitespace).first.map(String.init)
        return commit.flatMap { HubPath.isSafe($0) && FilePath.isFolder(snapshot($0)) ? $0 : nil }
    }

    /// Notes the commit of a revision.
    func note(_ commit: String, of revision: String) throws(HubError) {
        guard revision != commit else { return }
        let path = reference(revision)
        try Self.makeFolders(FilePath.folder(of: path))
        do throws(CheckpointError) {
            try CheckpointWriter.write(Array(commit.utf8), to: path, replacing: true)
        } catch {
            throw HubError(.inputOutput, path, error.problem)
        }
    }

    // MARK: - Files

    /// Links a blob into a snapshot, under the path that it has in the repository.
    func finish(_ file: RemoteFile, commit: String) throws(HubError) {
        let path = FilePath.join(snapshot(commit), file.path)
        try Self.makeFolders(FilePath.folder(of: path))
        // From the folder of the file up to that of the repository.
        let depth = file.path.utf8.count { $0 == UInt8(ascii: "/") } + 2
        let target = String(repeating: "../", count: depth) + "blobs/" + file.digest.digits
        var status = stat()
        if lstat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFLNK, Self.target(of: path) == target { return }
            unlink(path)
        }
        guard symlink(target, path) == 0 || errno == EEXIST else {
            throw Self.system("cannot link a file of the snapshot", path)
        }
    }

    private static func target(of link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                bytes.baseAddress.map { readlink(link, $0, bytes.count) } ?? -1
            }
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    func locked(
        _ file: RemoteFile, isCancelled: () -> Bool, _ body: () throws(HubError) -> Void
    ) throws(HubError) {
        let path = FilePath.join(
            FilePath.join(FilePath.join(root, ".locks"), folderName), file.digest.digits + ".lock")
        try Self.locked(path, "\(repository)", isCancelled: isCancelled, body)
    }

    /// Waits for a lock and holds it during `body`.
    ///
    /// - Parameter isCancelled: asked while another holds it.
    static func locked(
        _ path: String, _ subject: String, isCancelled: () -> Bool, _ body: () throws(HubError) -> Void
    ) throws(HubError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw system("cannot open the lock", path) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw system("cannot lock", path) }
            if isCancelled() { throw HubError(.cancelled, subject, "was stopped") }
            usleep(50_000)
        }
        try body()
    }

    // MARK: - System

    static func system(_ problem: String, _ path: String) -> HubError {
        let number = errno
        return HubError(
            .inputOutput, path, "\(problem): \(String(cString: strerror(number)))",
            advice: number == ENOSPC ? "free some space, or set HF_HUB_CACHE to another disk" : nil)
    }

    static func makeFolders(_ path: String) throws(HubError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made = made.isEmpty || made == "/" ? made + part : FilePath.join(made, String(part))
            if mkdir(made, 0o755) != 0, errno != EEXIST { throw system("cannot create the folder", made) }
        }
        guard FilePath.isFolder(path) else { throw HubError(.inputOutput, path, "is no folder") }
    }
}
