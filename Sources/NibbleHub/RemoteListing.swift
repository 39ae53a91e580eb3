internal import NibbleCheckpoint

/// A file of a repository as its hub lists it.
public struct RemoteFile: Sendable, Equatable {
    /// The path in the repository.
    public let path: String
    /// Bytes.
    public let size: Int
    /// What its contents must hash to.
    public let digest: Digest

    /// The name of contents, by which caches call them.
    public enum Digest: Sendable, Hashable {
        /// SHA-256 of a large file.
        case sha256(String)
        /// Git's SHA-1 of a small one.
        case git(String)

        /// Hexadecimal digits.
        public var digits: String {
            switch self {
            case .sha256(let digits), .git(let digits): digits
            }
        }
    }
}

extension RemoteFile.Digest {
    /// Whether another is made by the same function.
    func isOfSameKind(as other: Self) -> Bool {
        switch (self, other) {
        case (.sha256, .sha256), (.git, .git): true
        default: false
        }
    }

    /// The digest of a file of this machine, of the kind that this one is.
    func ofSameKind(_ path: String) throws(HubError) -> Self {
        let file: MappedFile
        do throws(CheckpointError) { file = try MappedFile(path: path) } catch {
            throw HubError(.inputOutput, path, error.problem)
        }
        switch self {
        case .sha256:
            return .sha256(SHA256.hex(file))
        case .git:
            var hash = SHA1()
            hash.update(Array("blob \(file.count)\0".utf8))
            file.forEachPiece { hash.update($0) }
            return .git(SHA256.digits(of: hash.finalized()))
        }
    }
}

/// What a hub says of a repository at a revision.
public struct RemoteListing: Sendable {
    /// The commit.
    public let commit: String
    /// The files.
    public let files: [RemoteFile]
    /// Whether only its owner sees it; nil where the hub does not say.
    public let isPrivate: Bool?

    /// Reads the answer of `/api/models/OWNER/NAME/revision/REVISION?blobs=true`.
    ///
    /// - Throws: ``HubError`` where it is no such answer, or a path in it leaves the repository's folder.
    init(_ json: JSONValue, of repository: HubRepository) throws(HubError) {
        func unexpected(_ problem: String) -> HubError {
            HubError(.unexpected, "\(repository)", problem, advice: "is HF_ENDPOINT a hub?")
        }
        guard let commit = json["sha"]?.text, Self.isHexadecimal(commit, 40) else {
            throw unexpected("the hub names no commit")
        }
        guard let siblings = json["siblings"]?.elements else { throw unexpected("the hub lists no files") }
        var files: [RemoteFile] = []
        var seen: Set<String> = []
        var total = 0
        for sibling in siblings {
            guard let path = sibling["rfilename"]?.text, HubPath.isSafe(path) else {
                throw HubError(
                    .corrupt, "\(repository)",
                    "the hub names a file '\(sibling["rfilename"]?.text ?? "")', which would leave its folder"
                )
            }
            guard seen.insert(path).inserted else { throw unexpected("the hub lists '\(path)' twice") }
            let large = sibling["lfs"]
            guard let size = large?["size"]?.integer ?? sibling["size"]?.integer,
                (0...Self.largest - total).contains(size)
            else { throw unexpected("the hub states no size of '\(path)' that it could have") }
            total += size
            let digest: RemoteFile.Digest
            if let digits = large?["sha256"]?.text ?? large?["oid"]?.text, Self.isHexadecimal(digits, 64) {
                digest = .sha256(digits)
            } else if let digits = sibling["blobId"]?.text, Self.isHexadecimal(digits, 40) {
                digest = .git(digits)
            } else {
                throw unexpected("the hub states no digest of '\(path)'")
            }
            files.append(RemoteFile(path: path, size: size, digest: digest))
        }
        (self.commit, self.files, isPrivate) = (commit, files, json["private"]?.flag)
    }

    /// Bytes that no repository has.
    private static let largest = 1 << 53

    private static func isHexadecimal(_ text: String, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
