internal import CLibrary
internal import NibbleCheckpoint

/// A folder of one's own with the files of a repository, as huggingface_hub's `local_dir` lays it out:
///
/// | path | |
/// |---|---|
/// | `PATH` | the file, no link |
/// | `.cache/huggingface/download/PATH.metadata` | commit, digest and the time, a line each |
/// | `.cache/huggingface/download/PATH.DIGEST.incomplete` | what came of it so far |
/// | `.cache/huggingface/download/PATH.lock` | held by who downloads it |
struct HubFolder: HubPlace {
    let root: String

    private func note(_ file: RemoteFile, _ ending: String) -> String {
        FilePath.join(FilePath.join(root, ".cache/huggingface/download"), file.path + ending)
    }

    func prepare() throws(HubError) {
        try HubCache.makeFolders(FilePath.join(root, ".cache/huggingface/download"))
        let path = FilePath.join(root, ".cache/huggingface/.gitignore")
        if !FilePath.exists(path) { try Self.write("*", to: path) }
    }

    func path(of file: RemoteFile) -> String { FilePath.join(root, file.path) }

    func part(of file: RemoteFile) -> String { note(file, "." + file.digest.digits + ".incomplete") }

    /// By its digest: what lies in a folder may have been edited.
    func holds(_ file: RemoteFile) throws(HubError) -> Bool {
        let path = path(of: file)
        guard HubDownload.size(of: path) == file.size else { return false }
        return try file.digest.ofSameKind(path) == file.digest
    }

    func locked(
        _ file: RemoteFile, isCancelled: () -> Bool, _ body: () throws(HubError) -> Void
    ) throws(HubError) {
        let path = note(file, ".lock")
        try HubCache.makeFolders(FilePath.folder(of: path))
        try HubCache.makeFolders(FilePath.folder(of: self.path(of: file)))
        try HubCache.locked(path, file.path, isCancelled: isCancelled, body)
    }

    func finish(_ file: RemoteFile, commit: String) throws(HubError) {
        let path = note(file, ".metadata")
        guard Self.commit(path) != commit || Self.isOlder(path, than: self.path(of: file)) else { return }
        try HubCache.makeFolders(FilePath.folder(of: path))
        // A time not before that of the file says that nobody has edited it since.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        try Self.write("\(commit)\n\(file.digest.digits)\n\(now.tv_sec + 1)\n", to: path)
    }

    private static func isOlder(_ path: String, than other: String) -> Bool {
        guard let own = FileTime(path: path), let theirs = FileTime(path: other) else { return true }
        return own < theirs
    }

    private static func commit(_ path: String) -> String? {
        guard let file = try? MappedFile(path: path) else { return nil }
        let text = withExtendedLifetime(file) { String(decoding: file.bytes.prefix(200), as: UTF8.self) }
        return text.split(separator: "\n").first.map(String.init)
    }

    private static func write(_ text: String, to path: String) throws(HubError) {
        do throws(CheckpointError) {
            try CheckpointWriter.write(Array(text.utf8), to: path, replacing: true)
        } catch {
            throw HubError(.inputOutput, path, error.problem)
        }
    }
}
