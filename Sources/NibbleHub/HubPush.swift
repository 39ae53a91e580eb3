internal import NibbleCheckpoint
internal import Synchronization

/// Brings a file or a folder to a repository, in one commit; what is there already is not sent.
///
/// ```swift
/// var push = HubPush("gemma-q4_0", to: try HubRepository("hf:me/gemma-3-270m-q4_0"), settings)
/// push.creation = .private
/// let result = try push.run()
/// ```
public struct HubPush: Sendable {
    /// A file or a folder.
    public let path: String
    /// Where it goes; its file is the path there, of the file or of the folder.
    public let repository: HubRepository
    /// Which files of a folder: all, but for names that begin with a dot and what is not whole yet (`.part`).
    public var selection: HubSelection = {
        var all = HubSelection()
        all.kind = .everything
        return all
    }()
    /// The first line of the commit's message; nil for one that names what was sent.
    public var message: String?
    /// Makes the repository where there is none; nil makes that an error, as a mistyped name must not become one.
    public var creation: Visibility?
    /// Whether the commit waits in a pull request, instead of being on the revision.
    public var opensPullRequest = false
    /// Files that are sent at the same time, 1 or more.
    public var parallelism = 4
    private let settings: HubSettings

    /// Who sees a repository.
    public enum Visibility: String, Sendable, CaseIterable {
        /// Its owner, and whom they let.
        case `private`
        /// Everybody.
        case `public`
    }

    /// What is done with a file.
    public struct File: Sendable {
        /// The path in the repository.
        public let path: String
        /// Bytes.
        public let size: Int
        /// Whether it is there, and whether as it is here.
        public let state: State

        /// How a file stands to the repository.
        public enum State: String, Sendable {
            /// Not there.
            case new
            /// There with other contents.
            case changed
            /// There.
            case same
            /// Not taken, as the repository's `.gitignore` names it.
            case ignored
        }
    }

    /// What a push did.
    public struct Result: Sendable {
        /// The files, by path.
        public let files: [File]
        /// The commit; that of before where nothing was new.
        public let commit: String
        /// The page of the commit, or of the pull request; nil where nothing was new.
        public let address: String?
    }

    /// A push of a file, or of a folder.
    public init(_ path: String, to repository: HubRepository, _ settings: HubSettings) {
        (self.path, self.repository, self.settings) = (path, repository, settings)
    }

    // MARK: - What there is to do

    /// What would be sent; asks the hub, and changes nothing.
    ///
    /// - Throws: ``HubError`` where the files cannot be read, or the hub does not answer.
    public func files(isCancelled: @escaping @Sendable () -> Bool = { false }) throws(HubError) -> [File] {
        let files = try LocalFile.files(at: path, to: repository.file, selection)
        let client = HubClient(settings, isCancelled: isCancelled)
        let listing: RemoteListing? = try self.listing(client, orNone: creation != nil)
        return try compared(files, with: listing?.files ?? [], client).map { .init($0) }
    }

    /// What a repository lists; nil where there is none and one may be made.
    private func listing(_ client: HubClient, orNone: Bool) throws(HubError) -> RemoteListing? {
        do throws(HubError) {
            return try client.listing(of: repository)
        } catch {
            guard error.code == .notFound || error.code == .unauthorized, repository.revision == "main" else {
                throw error
            }
            if orNone { return nil }
            throw HubError(
                error.code, error.subject, error.problem,
                advice: "check the name and the token; --create private or --create public makes it")
        }
    }

    /// A file, its state, and the digest that told it; nil where none was needed.
    fileprivate struct Compared: Sendable {
        let file: LocalFile
        var state: File.State
        var digest: RemoteFile.Digest?
    }

    private func compared(_ files: [LocalFile], with remote: [RemoteFile], _ client: HubClient)
        throws(HubError) -> [Compared]
    {
        let there = Dictionary(remote.map { ($0.path, $0) }) { first, _ in first }
        return try files.map { file throws(HubError) in
            guard !client.isCancelled() else { throw HubError(.cancelled, "\(repository)", "was stopped") }
            guard let known = there[file.path] else { return Compared(file: file, state: .new) }
            guard known.size == file.size else { return Compared(file: file, state: .changed) }
            let digest = try known.digest.ofSameKind(file.source)
            return Compared(file: file, state: digest == known.digest ? .same : .changed, digest: digest)
        }
    }

    // MARK: - Doing it

    /// Sends what is new and makes the commit.
    ///
    /// - Throws: ``HubError`` where that fails; large files that arrived are not sent again by the next push.
    @discardableResult
    public func run(
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(HubError) -> Result {
        precondition(parallelism > 0, "parallelism is \(parallelism), expected at least 1")
        guard !settings.isOffline else {
            throw HubError(.offline, "\(repository)", "cannot be written offline (HF_HUB_OFFLINE)")
        }
        guard settings.token != nil else {
            throw HubError(
                .unauthorized, "\(repository)", "cannot be written without a token",
                advice:
                    "make one that may write at \(settings.endpoint)/settings/tokens, and give it in HF_TOKEN"
            )
        }
        let files = try LocalFile.files(at: path, to: repository.file, selection)
        let tasks = HubTasks()
        let client = HubClient(settings) { isCancelled() || tasks.hasFailed }
        let commit = HubCommit(client: client, repository: repository)
        let before = try base(client, commit)
        var compared = try compared(files, with: before.files, client)
        let new = compared.indices.filter { compared[$0].state != .same }
        guard !new.isEmpty else {
            return Result(files: compared.map { .init($0) }, commit: before.commit, address: nil)
        }
        let modes = try commit.modes(of: new.map { compared[$0].file }, opensPullRequest: opensPullRequest)
        for (index, mode) in zip(new, modes) where mode == .ignored { compared[index].state = .ignored }
        guard modes.contains(where: { $0 != .ignored }) else {
            return Result(files: compared.map { .init($0) }, commit: before.commit, address: nil)
        }
        let sent = try send(
            zip(new, modes).map { (compared[$0], $1) }, client, tasks,
            before: compared.reduce(0) { $0 + ($1.state == .same ? $1.file.size : 0) }, progress)
        let made = try make(commit, sent, on: before, client)
        return Result(
            files: compared.map { .init($0) }, commit: made.commit,
            address: made.pullRequest ?? made.address ?? "\(settings.endpoint)/\(repository.id)")
    }

    /// What is in the repository, which is made if there is none.
    private func base(_ client: HubClient, _ commit: HubCommit) throws(HubError) -> RemoteListing {
        if let listing = try listing(client, orNone: creation != nil) { return listing }
        guard let creation else { preconditionFailure("no repository, and none to make") }
        try commit.makeRepository(creation)
        let listing = try client.listing(of: repository)
        guard creation == .public || listing.isPrivate != false else {
            throw HubError(
                .unexpected, "\(repository)", "was made public by the hub, though private was asked for",
                advice: "nothing was sent; see \(settings.endpoint)/\(repository.id)/settings")
        }
        return listing
    }

    /// Sends the large files; digests of all that go into the commit.
    private func send(
        _ files: [(compared: Compared, mode: HubCommit.Mode)], _ client: HubClient, _ tasks: HubTasks,
        before: Int, _ progress: @escaping @Sendable (HubProgress) -> Void
    ) throws(HubError) -> [HubCommit.Entry] {
        let taken = files.filter { $0.mode != .ignored }
        let total = taken.reduce(before) { $0 + $1.compared.file.size }
        let state = Mutex((done: before, entries: [HubCommit.Entry?](repeating: nil, count: taken.count)))
        let upload = LargeFileUpload(client: client, repository: repository)
        try tasks.forEach(taken.count, parallelism: parallelism) { index throws(HubError) in
            let (file, isLarge) = (taken[index].compared.file, taken[index].mode == .large)
            let count: @Sendable (Int) -> Void = { bytes in
                let done = state.withLock { state -> Int in
                    state.done += bytes
                    return state.done
                }
                progress(
                    .init(bytesDone: done, bytesTotal: total, bytesMoved: done - before, file: file.path))
            }
            let kind: RemoteFile.Digest = isLarge ? .sha256("") : .git("")
            let known = taken[index].compared.digest.flatMap { $0.isOfSameKind(as: kind) ? $0 : nil }
            let digest = if let known { known } else { try kind.ofSameKind(file.source) }
            try file.checkUnchanged()
            let entry = HubCommit.Entry(file: file, isLarge: isLarge, digest: digest.digits)
            state.withLock { $0.entries[index] = entry }
            if isLarge {
                try upload.send(entry, progress: count)
            } else {
                count(file.size)
            }
        }
        return state.withLock { $0.entries.compactMap { $0 } }
    }

    /// Makes the commit. Where the answer is lost, the repository tells whether it was made.
    private func make(
        _ commit: HubCommit, _ files: [HubCommit.Entry], on before: RemoteListing, _ client: HubClient
    ) throws(HubError) -> HubCommit.Made {
        let names = files.count == 1 ? files[0].file.path : "\(files.count) files"
        var tries = 0
        return try client.again("\(repository)") { () throws(HubError) in
            tries += 1
            if tries > 1, !opensPullRequest, let made = try made(files, on: before, client) { return made }
            do throws(HubError) {
                return try commit.make(
                    files, on: before.commit, message: message ?? "Upload \(names) with nibble",
                    opensPullRequest: opensPullRequest)
            } catch {
                // The first try may have come through after the listing was asked for.
                if error.code == .conflict, tries > 1, let made = try made(files, on: before, client) {
                    return made
                }
                // A second pull request would be one too many.
                guard opensPullRequest, error.code == .unreachable else { throw error }
                throw HubError(
                    .unexpected, error.subject, error.problem + ", after the commit was sent",
                    advice: "see \(settings.endpoint)/\(repository.id)/discussions whether it was made")
            }
        }
    }

    /// The commit that the repository is at, if it is another than before and has the files.
    private func made(
        _ files: [HubCommit.Entry], on before: RemoteListing, _ client: HubClient
    ) throws(HubError) -> HubCommit.Made? {
        let now = try client.listing(of: repository)
        let there = Dictionary(now.files.map { ($0.path, $0.digest.digits) }) { first, _ in first }
        guard now.commit != before.commit, files.allSatisfy({ there[$0.file.path] == $0.digest }) else {
            return nil
        }
        return .init(commit: now.commit, address: nil, pullRequest: nil)
    }
}

extension HubPush.File {
    fileprivate init(_ compared: HubPush.Compared) {
        self.init(path: compared.file.path, size: compared.file.size, state: compared.state)
    }
}
