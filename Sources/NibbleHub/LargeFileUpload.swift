internal import NibbleCheckpoint
internal import Synchronization

/// Brings contents to where a hub keeps large files: Git LFS's batch API, its basic transfer, and the hub's multipart one.
///
/// Source: git-lfs, `docs/api/batch.md`, `docs/api/basic-transfers.md`; huggingface_hub, `lfs.py`.
struct LargeFileUpload: Sendable {
    let client: HubClient
    let repository: HubRepository

    private static let type = "application/vnd.git-lfs+json"
    /// Bytes of a part, which is held in memory. Hubs ask for some 16 MB.
    private static let largestPart = 1 << 30

    /// Sends a file, unless its contents are there.
    ///
    /// Addresses to send to end after a while, so each try asks for them anew.
    ///
    /// - Parameter progress: takes bytes that arrived; of a try that failed they are taken back.
    func send(_ item: HubCommit.Entry, progress: @escaping @Sendable (Int) -> Void) throws(HubError) {
        try client.again(item.file.path) { () throws(HubError) in
            guard let action = try action(item) else {
                progress(item.file.size)
                return
            }
            let sent = Mutex(0)
            let count: @Sendable (Int) -> Void = { bytes in
                sent.withLock { $0 += bytes }
                progress(bytes)
            }
            do throws(HubError) {
                if let parts = action.parts {
                    try send(item, parts, count)
                    try finish(item, action, parts)
                } else {
                    _ = try store(
                        HubRequest(
                            put: action.address, .file(path: item.file.source), headers: action.headers),
                        item, count)
                }
                try item.file.checkUnchanged()
                if let verification = action.verification { try verify(item, verification) }
            } catch {
                progress(-sent.withLock { $0 })
                throw error
            }
            // What the system did not report.
            progress(item.file.size - sent.withLock { $0 })
        }
    }

    // MARK: - What the hub asks for

    /// Where a file is to be sent.
    private struct Action {
        let address: String
        let headers: [String: String]
        let parts: Parts?
        let verification: String?
    }

    /// The pieces that a file is sent in.
    private final class Parts: Sendable {
        /// Bytes of each but the last.
        let size: Int
        let addresses: [String]
        /// What the store calls each.
        let tags: Mutex<[String]>

        init(size: Int, addresses: [String]) {
            (self.size, self.addresses) = (size, addresses)
            tags = Mutex([])
        }
    }

    /// Nil where the contents are there.
    private func action(_ item: HubCommit.Entry) throws(HubError) -> Action? {
        let answer = try client.json(
            HubRequest(
                post: "\(client.settings.endpoint)/\(repository.id).git/info/lfs/objects/batch",
                .members([
                    "operation": .string("upload"),
                    "transfers": .array([.string("basic"), .string("multipart")]),
                    "objects": .array([object(item)]), "hash_algo": .string("sha256"),
                    "ref": .members(["name": .string(repository.revision)]),
                ]), type: Self.type), of: repository)
        let objects = answer["objects"]?.elements ?? []
        guard let object = objects.first(where: { $0["oid"]?.text == item.digest }) else {
            throw unexpected(item, "the hub does not say where to send it")
        }
        if let error = object["error"] {
            throw unexpected(item, "the hub refuses it: \(error["message"]?.text ?? "without a reason")")
        }
        guard let actions = object["actions"], let upload = actions["upload"] else { return nil }
        let verification = try actions["verify"].map { value throws(HubError) in try address(value, item) }
        let header = upload["header"]?.members ?? []
        guard let size = upload["header"]?["chunk_size"] else {
            var headers: [String: String] = [:]
            for member in header {
                guard let value = member.value.text, Self.isHeader(member.name), Self.isHeader(value) else {
                    continue
                }
                headers[member.name] = value
            }
            return Action(
                address: try address(upload, item), headers: headers, parts: nil, verification: verification)
        }
        guard let size = size.integer ?? size.text.flatMap({ Int($0) }), (1...Self.largestPart).contains(size)
        else { throw unexpected(item, "the hub states no size of its parts that could be sent") }
        let numbered = header.compactMap { member in Int(member.name).map { ($0, member.value.text) } }
            .sorted { $0.0 < $1.0 }
        let addresses = numbered.compactMap(\.1)
        guard addresses.count == numbered.count, addresses.count == (item.file.size + size - 1) / size,
            addresses.allSatisfy(isAllowed)
        else {
            throw unexpected(item, "the hub names \(addresses.count) parts of \(size) bytes")
        }
        return Action(
            address: try address(upload, item), headers: [:], parts: Parts(size: size, addresses: addresses),
            verification: verification)
    }

    private func object(_ item: HubCommit.Entry) -> JSONValue {
        .members(["oid": .string(item.digest), "size": .integer(item.file.size)])
    }

    private func address(_ action: JSONValue, _ item: HubCommit.Entry) throws(HubError) -> String {
        guard let address = action["href"]?.text, isAllowed(address) else {
            throw unexpected(item, "the hub names no address to send it to")
        }
        return address
    }

    /// Whether something may be sent to an address: from a hub of https to https alone.
    private func isAllowed(_ address: String) -> Bool {
        address.hasPrefix("https://")
            || (address.hasPrefix("http://") && client.settings.endpoint.hasPrefix("http://"))
    }

    /// Whether a text may stand in the head of a request, where a line break would begin another field.
    private static func isHeader(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }

    // MARK: - Sending

    private func send(_ item: HubCommit.Entry, _ parts: Parts, _ count: @escaping @Sendable (Int) -> Void)
        throws(HubError)
    {
        for (number, address) in parts.addresses.enumerated() {
            let start = number * parts.size
            let bytes = try item.file.bytes(start..<min(start + parts.size, item.file.size))
            // Of a store that refuses an address, another is asked for, which begins at the first part.
            let response = try client.again(item.file.path, passing: { $0.code != .expired }) {
                () throws(HubError) in
                try store(HubRequest(put: address, .bytes(bytes)), item, count)
            }
            guard let tag = response.headers["etag"], !tag.isEmpty else {
                throw unexpected(item, "the store names no tag of part \(number + 1)")
            }
            parts.tags.withLock { $0.append(tag) }
        }
    }

    /// Puts bytes where the hub said; of a failure they are not counted.
    private func store(
        _ request: HubRequest, _ item: HubCommit.Entry, _ count: @escaping @Sendable (Int) -> Void
    ) throws(HubError) -> HubResponse {
        let sent = Mutex(0)
        do throws(HubError) {
            return try client.answer(
                request, of: repository, file: item.file.path,
                sent: { bytes in
                    sent.withLock { $0 += bytes }
                    count(bytes)
                }
            ).response
        } catch {
            count(-sent.withLock { $0 })
            // The address may have ended: another is asked for.
            guard error.code == .unauthorized else { throw error }
            throw HubError(
                .expired, error.subject, "the store refuses what the hub sends to it", advice: "try again"
            )
        }
    }

    private func finish(_ item: HubCommit.Entry, _ action: Action, _ parts: Parts) throws(HubError) {
        let tags = parts.tags.withLock { $0 }
        let list = tags.enumerated().map { number, tag in
            JSONValue.members(["partNumber": .integer(number + 1), "etag": .string(tag)])
        }
        _ = try client.answer(
            HubRequest(
                post: action.address, .members(["oid": .string(item.digest), "parts": .array(list)]),
                type: Self.type),
            of: repository, file: item.file.path)
    }

    private func verify(_ item: HubCommit.Entry, _ address: String) throws(HubError) {
        _ = try client.answer(
            HubRequest(post: address, object(item)), of: repository, file: item.file.path)
    }

    private func unexpected(_ item: HubCommit.Entry, _ problem: String) -> HubError {
        HubError(
            .unexpected, "\(repository), \(item.file.path)", problem, advice: "is HF_ENDPOINT a hub?")
    }
}
