internal import NibbleCheckpoint
internal import Synchronization

/// Brings files of a repository to this machine, several at a time; what is there is not brought again.
///
/// ```swift
/// let settings = try HubSettings(environment: ProcessInfo.processInfo.environment)
/// let pull = HubPull(try HubRepository("hf:google/gemma-3-270m"), settings)
/// let result = try pull.run()
/// let model = try ModelCheckpoint(path: result.path)
/// ```
public struct HubPull: Sendable {
    /// What is brought.
    public let repository: HubRepository
    /// Which of its files.
    public var selection = HubSelection()
    /// A folder of one's own for the files; nil for the cache, which Python shares.
    public var folder: String?
    /// Files that are brought at the same time, 1 or more.
    public var parallelism = 4
    private let settings: HubSettings

    /// What a pull has brought.
    public struct Result: Sendable {
        /// The folder of the snapshot, or one's own; where one file was asked for, that file.
        public let path: String
        /// The commit.
        public let commit: String
        /// The files, as the hub lists them; empty where nobody asked it.
        public let files: [RemoteFile]
        /// Bytes of all, and of those that came now.
        public let bytes: Int, bytesReceived: Int
    }

    /// A pull of a checkpoint's files.
    public init(_ repository: HubRepository, _ settings: HubSettings) {
        (self.repository, self.settings) = (repository, settings)
    }

    private var cache: HubCache { HubCache(root: settings.cache, repository: repository) }

    /// What would be brought.
    ///
    /// - Throws: ``HubError`` where the hub does not say.
    public func listing(
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(HubError) -> (commit: String, files: [RemoteFile]) {
        let client = HubClient(settings, isCancelled: isCancelled)
        let listing = try listing(client)
        return (listing.commit, try selection.files(of: listing, in: repository))
    }

    private func listing(_ client: HubClient) throws(HubError) -> RemoteListing {
        do throws(HubError) {
            return try client.listing(of: repository)
        } catch {
            guard error.code == .notFound || error.code == .unauthorized else { throw error }
            let names = client.names(near: repository)
            guard !names.isEmpty else { throw error }
            throw HubError(
                error.code, error.subject, error.problem,
                advice: "there is " + names.map { HubRepository.prefix + $0 }.joined(separator: ", "))
        }
    }

    /// Brings the files.
    ///
    /// - Throws: ``HubError`` where one cannot be had; what came of it stays, and the next pull goes on there.
    @discardableResult
    public func run(
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(HubError) -> Result {
        precondition(parallelism > 0, "parallelism is \(parallelism), expected at least 1")
        guard folder?.isEmpty != true else {
            throw HubError(.invalidName, "\(repository)", "is to be brought to a folder without a name")
        }
        if settings.isOffline { return try offline() }
        let tasks = HubTasks()
        let client = HubClient(settings) { isCancelled() || tasks.hasFailed }
        let listing: RemoteListing
        do throws(HubError) {
            listing = try self.listing(client)
        } catch {
            // What was brought before is used where there is no network.
            if error.code == .unreachable, let result = try? offline() { return result }
            throw error
        }
        let files = try selection.files(of: listing, in: repository)
        let place: any HubPlace = folder.map { HubFolder(root: $0) } ?? cache
        try place.prepare()
        let total = files.reduce(0) { $0 + $1.size }
        let state = Mutex((done: 0, received: 0))
        try tasks.forEach(files.count, parallelism: parallelism) { index throws(HubError) in
            let file = files[index]
            let download = HubDownload(
                client: client, repository: repository, place: place, commit: listing.commit,
                progress: { count in
                    let (done, received) = state.withLock { state in
                        state.done += count
                        return state
                    }
                    progress(
                        .init(bytesDone: done, bytesTotal: total, bytesMoved: received, file: file.path))
                }, received: { count in state.withLock { $0.received += count } })
            try download.bring(file)
        }
        if folder == nil { try cache.note(listing.commit, of: repository.revision) }
        return Result(
            path: path(listing.commit), commit: listing.commit, files: files, bytes: total,
            bytesReceived: state.withLock { $0.received })
    }

    /// What is there already.
    private func offline() throws(HubError) -> Result {
        guard folder == nil else {
            throw HubError(
                .offline, "\(repository)", "cannot be brought to a folder offline (HF_HUB_OFFLINE)")
        }
        let path = cache.commit(of: repository.revision).map { (commit: $0, path: self.path($0)) }
        guard let path, FilePath.exists(path.path) else {
            throw HubError(
                .offline, "\(repository)",
                "is not in \(settings.cache), and nothing may be downloaded (HF_HUB_OFFLINE)",
                advice: "pull it while there is a network")
        }
        return Result(path: path.path, commit: path.commit, files: [], bytes: 0, bytesReceived: 0)
    }

    private func path(_ commit: String) -> String {
        let folder = folder ?? cache.snapshot(commit)
        return repository.file.map { FilePath.join(folder, $0) } ?? folder
    }
}
