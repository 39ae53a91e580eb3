internal import Foundation
internal import NibbleCheckpoint

/// A change of a repository: the files that it gets.
///
/// Source: huggingface_hub, `_commit_api.py`.
struct HubCommit: Sendable {
    let client: HubClient
    let repository: HubRepository

    /// How a hub keeps a file.
    enum Mode: Sendable {
        /// In the commit itself.
        case regular
        /// By its digest, where large files are.
        case large
        /// Not at all: the repository's `.gitignore` names it.
        case ignored
    }

    /// A file that a commit brings.
    struct Entry: Sendable {
        let file: LocalFile
        /// Whether the hub keeps it by its digest, apart from the commit.
        let isLarge: Bool
        /// SHA-256 of a large file, git's SHA-1 of another; hexadecimal digits.
        let digest: String
    }

    /// What a commit made.
    struct Made: Sendable {
        let commit: String
        let address: String?
        let pullRequest: String?
    }

    private var revision: String { HubPath.encodedPart(repository.revision) }
    private var address: String { client.address(of: repository) }

    /// How the hub wants to keep files.
    func modes(of files: [LocalFile], opensPullRequest: Bool) throws(HubError) -> [Mode] {
        var found: [String: Mode] = [:]
        for start in stride(from: 0, to: files.count, by: 256) {
            let asked = try files[start..<min(start + 256, files.count)].map { file throws(HubError) in
                JSONValue.members([
                    "path": .string(file.path),
                    "sample": .string(Data(try file.sample()).base64EncodedString()),
                    "size": .integer(file.size),
                ])
            }
            let answer = try client.json(
                HubRequest(
                    post: "\(address)/preupload/\(revision)" + query(opensPullRequest),
                    .members(["files": .array(asked)])), of: repository)
            for file in answer["files"]?.elements ?? [] {
                guard let path = file["path"]?.text, let mode = file["uploadMode"]?.text else { continue }
                let kept: Mode = mode == "lfs" ? .large : .regular
                found[path] = file["shouldIgnore"]?.flag == true ? .ignored : kept
            }
        }
        return try files.map { file throws(HubError) in
            guard let mode = found[file.path] else {
                throw HubError(
                    .unexpected, "\(repository), \(file.path)", "the hub does not say how it keeps it",
                    advice: "is HF_ENDPOINT a hub?")
            }
            // Stores of large files take none that is empty.
            return mode == .large && file.size == 0 ? .regular : mode
        }
    }

    /// Makes the commit on top of `parent`; one try.
    func make(
        _ entries: [Entry], on parent: String, message: String, opensPullRequest: Bool
    ) throws(HubError) -> Made {
        var lines = [
            JSONValue.members([
                "key": .string("header"),
                "value": .members([
                    "summary": .string(message), "description": .string(""), "parentCommit": .string(parent),
                ]),
            ])
        ]
        for entry in entries {
            let path = JSONValue.string(entry.file.path)
            guard !entry.isLarge else {
                lines.append(
                    .members([
                        "key": .string("lfsFile"),
                        "value": .members([
                            "path": path, "algo": .string("sha256"), "oid": .string(entry.digest),
                            "size": .integer(entry.file.size),
                        ]),
                    ]))
                continue
            }
            let contents = Data(try entry.file.contents()).base64EncodedString()
            try entry.file.checkUnchanged()
            lines.append(
                .members([
                    "key": .string("file"),
                    "value": .members([
                        "content": .string(contents), "path": path, "encoding": .string("base64"),
                    ]),
                ]))
        }
        let text = lines.map { $0.serialized(pretty: false) + "\n" }.joined()
        let request = HubRequest(
            post: "\(address)/commit/\(revision)" + query(opensPullRequest), Array(text.utf8),
            headers: ["Content-Type": "application/x-ndjson"])
        let (_, body) = try client.answer(request, of: repository, file: nil)
        let answer = try client.parsed(body, from: request, of: repository)
        guard let commit = answer["commitOid"]?.text else {
            throw HubError(.unexpected, "\(repository)", "the hub names no commit that it made")
        }
        return Made(
            commit: commit, address: answer["commitUrl"]?.text, pullRequest: answer["pullRequestUrl"]?.text)
    }

    private func query(_ opensPullRequest: Bool) -> String { opensPullRequest ? "?create_pr=1" : "" }

    /// Makes the repository.
    func makeRepository(_ visibility: HubPush.Visibility) throws(HubError) {
        let request = HubRequest(
            post: "\(client.settings.endpoint)/api/repos/create",
            .members([
                "name": .string(repository.name), "organization": .string(repository.owner),
                "type": .string("model"), "visibility": .string(visibility.rawValue),
            ]))
        do throws(HubError) {
            _ = try client.again("\(repository)") { () throws(HubError) in
                try client.answer(request, of: repository, file: nil)
            }
        } catch {
            // A try whose answer was lost made it, or another did.
            guard error.code == .conflict else { throw error }
        }
    }
}
