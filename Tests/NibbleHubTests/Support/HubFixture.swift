import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization

@testable import NibbleHub

/// A repository with files of every kind, a hub for it, and a cache.
final class HubFixture: Sendable {
    static let commit = "0123456789abcdef0123456789abcdef01234567"

    let folder: TemporaryFolder
    let server: HubServer
    let files: [String: [UInt8]]
    /// What a test changes of an answer; nil leaves it as it is.
    typealias Fault = @Sendable (HubServer.Request, HubServer.Answer) -> HubServer.Answer?
    private let fault: FaultBox

    /// A fault that server and test share.
    private final class FaultBox: Sendable {
        let value = Mutex<Fault?>(nil)
    }

    init() throws {
        folder = try TemporaryFolder()
        var generator = SeededGenerator(seed: 11)
        func bytes(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        let files: [String: [UInt8]] = [
            "config.json": Array("{\"a\": 1}\n".utf8), "model-00001-of-00002.safetensors": bytes(300_000),
            "model-00002-of-00002.safetensors": bytes(70_001), "model.safetensors.index.json": bytes(3000),
            "tokenizer.json": bytes(40_000), "additional_chat_templates/rag.jinja": Array("x".utf8),
            "LICENSE": [], "pytorch_model.bin": bytes(10), "original/params.json": Array("{}".utf8),
            "m.Q4_0.gguf": bytes(5000), "m.Q8_0.gguf": bytes(9000),
        ]
        self.files = files
        let fault = FaultBox()
        self.fault = fault
        server = try HubServer { request in
            let answer = Self.answer(request, files)
            let change = fault.value.withLock { $0 }
            return change?(request, answer) ?? answer
        }
    }

    deinit { server.stop() }

    /// Changes what the hub answers from now on.
    func change(_ fault: Fault?) { self.fault.value.withLock { $0 = fault } }

    func settings(_ change: (inout HubSettings) -> Void = { _ in }) throws -> HubSettings {
        var settings = try HubSettings(environment: [
            "HF_ENDPOINT": server.address, "HF_HUB_CACHE": folder.file("cache"), "HOME": folder.path,
        ])
        settings.firstDelay = 0.001
        settings.timeout = 5
        change(&settings)
        return settings
    }

    func pull(_ name: String = "hf:me/model", _ change: (inout HubSettings) -> Void = { _ in }) throws
        -> HubPull
    {
        HubPull(try HubRepository(name), try settings(change))
    }

    /// The names of a snapshot's files whose contents are those of the repository, and whether all are.
    func check(_ result: HubPull.Result) throws -> Bool {
        try result.files.allSatisfy { try contents(result.path + "/" + $0.path) == files[$0.path] }
    }

    /// All paths below the temporary folder.
    var paths: [String] {
        get throws { try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() }
    }

    // MARK: - Answers

    /// Files that the hub keeps as large ones.
    static func isLarge(_ path: String) -> Bool {
        path.hasSuffix(".safetensors") || path.hasSuffix(".gguf") || path.hasSuffix(".bin")
    }

    static func gitDigest(_ bytes: [UInt8]) -> String {
        var hash = SHA1()
        hash.update(Array("blob \(bytes.count)\0".utf8))
        hash.update(bytes)
        return SHA256.digits(of: hash.finalized())
    }

    static func listing(_ files: [String: [UInt8]], commit: String = commit, isPrivate: Bool = false)
        -> String
    {
        let siblings = files.sorted { $0.key < $1.key }.map { path, bytes in
            isLarge(path)
                ? "{\"rfilename\":\"\(path)\",\"size\":\(bytes.count),\"blobId\":\"\(gitDigest([]))\","
                    + "\"lfs\":{\"sha256\":\"\(SHA256.hex(bytes))\",\"size\":\(bytes.count),\"pointerSize\":134}}"
                : "{\"rfilename\":\"\(path)\",\"size\":\(bytes.count),\"blobId\":\"\(gitDigest(bytes))\"}"
        }
        return
            "{\"id\":\"me/model\",\"private\":\(isPrivate),\"sha\":\"\(commit)\",\"siblings\":[\(siblings.joined(separator: ","))]}"
    }

    private static func answer(_ request: HubServer.Request, _ files: [String: [UInt8]]) -> HubServer.Answer {
        let target = request.target.split(separator: "?")[0]
        if target.hasPrefix("/api/models/me/model/revision/") {
            let revision = target.dropFirst("/api/models/me/model/revision/".count)
            guard ["main", "v1", "refs%2Fpr%2F1", Substring(commit)].contains(revision) else {
                return .init(status: 404, headers: [("X-Error-Code", "RevisionNotFound")])
            }
            return .json(listing(files))
        }
        if target == "/api/models" { return .json("[{\"id\":\"me/model\"},{\"id\":\"you/model\"}]") }
        let prefix = "/me/model/resolve/\(commit)/"
        guard target.hasPrefix(prefix), let bytes = files[String(target.dropFirst(prefix.count))] else {
            return .init(status: 401, headers: [("X-Error-Code", "RepoNotFound")])
        }
        guard let start = request.rangeStart else { return .init(body: bytes) }
        guard start < bytes.count else {
            return .init(status: 416, headers: [("Content-Range", "bytes */\(bytes.count)")])
        }
        return .init(
            status: 206, headers: [("Content-Range", "bytes \(start)-\(bytes.count - 1)/\(bytes.count)")],
            body: Array(bytes[start...]))
    }
}
