import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization

@testable import NibbleHub

/// A hub that can be written to, and the store that it keeps large files in, which is another server.
final class HubStore: Sendable {
    /// What the hub has.
    struct State {
        var exists = true
        var isPrivate = false
        /// How many commits there were.
        var commits = 0
        var files: [String: [UInt8]] = [".gitattributes": Array("*.gguf lfs\n".utf8)]
        /// Large contents by digest.
        var objects: [String: [UInt8]] = [:]
        /// Parts that came, by digest and number.
        var parts: [String: [UInt8]] = [:]
        var messages: [String] = []

        var commit: String { HubStore.commit(commits) }
    }

    typealias Fault = @Sendable (HubServer.Request, HubServer.Answer) -> HubServer.Answer?

    let folder: TemporaryFolder
    let hub: HubServer
    let store: HubServer
    private let box: Box

    /// What both servers and the test share.
    private final class Box: Sendable {
        let state = Mutex(State())
        let fault = Mutex<Fault?>(nil)
        let addresses = Mutex((hub: "", store: ""))

        func faulty(_ request: HubServer.Request, _ answer: HubServer.Answer) -> HubServer.Answer {
            fault.withLock { $0 }?(request, answer) ?? answer
        }
    }

    init() throws {
        folder = try TemporaryFolder()
        let box = Box()
        self.box = box
        store = try HubServer { box.faulty($0, Self.store($0, box)) }
        hub = try HubServer { box.faulty($0, Self.answer($0, box)) }
        let (hub, store) = (hub.address, store.address)
        box.addresses.withLock { $0 = (hub, store) }
    }

    deinit {
        hub.stop()
        store.stop()
    }

    var state: State { box.state.withLock { $0 } }
    func change(_ body: (inout State) -> Void) { box.state.withLock { body(&$0) } }
    /// Changes what is answered from now on.
    func fail(_ fault: Fault?) { box.fault.withLock { $0 = fault } }

    static func commit(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "a", count: 40 - digits.count) + digits
    }

    func push(
        _ path: String = "model", to name: String = "hf:me/model",
        _ change: (inout HubSettings) -> Void = { _ in }
    ) throws -> HubPush {
        var settings = try HubSettings(environment: [
            "HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_secret", "HOME": folder.path,
        ])
        settings.firstDelay = 0.001
        settings.timeout = 5
        change(&settings)
        return HubPush(folder.file(path), to: try HubRepository(name), settings)
    }

    // MARK: - The hub

    private static let partSize = 40_000

    private static func answer(_ request: HubServer.Request, _ box: Box) -> HubServer.Answer {
        // The hub signs the address at which parts are joined.
        guard request.path == "/complete" || request.headers["authorization"] == "Bearer hf_secret" else {
            return .init(status: 401)
        }
        let json = parsed(request.body)
        return box.state.withLock { state in
            if request.path == "/api/repos/create" {
                guard !state.exists else { return .init(status: 409) }
                state.exists = true
                state.isPrivate = json?["visibility"]?.text == "private"
                return .json("{\"url\":\"u\"}")
            }
            guard state.exists else { return .init(status: 401, headers: [("X-Error-Code", "RepoNotFound")]) }
            // Python asks whether a README's front matter is right.
            if request.path == "/api/validate-yaml" { return .json("{\"errors\":[],\"warnings\":[]}") }
            let api = "/api/models/me/model/"
            switch (request.method, request.path) {
            case ("GET", api + "revision/main"):
                return .json(
                    HubFixture.listing(state.files, commit: state.commit, isPrivate: state.isPrivate))
            case ("POST", api + "preupload/main"): return modes(json)
            case ("POST", "/me/model.git/info/lfs/objects/batch"):
                return batch(json, state, box.addresses.withLock { $0 })
            case ("POST", "/complete"): return complete(json, &state)
            case ("POST", "/verify"):
                let isThere = state.objects[json?["oid"]?.text ?? ""]?.count == json?["size"]?.integer
                return .init(status: isThere ? 200 : 404)
            case ("POST", api + "commit/main"):
                return commit(request, &state, box.addresses.withLock { $0.hub })
            default: return .init(status: 404)
            }
        }
    }

    private static func parsed(_ bytes: [UInt8]) -> JSONValue? {
        try? bytes.withUnsafeBytes { bytes throws(CheckpointError) in
            try JSONParser.parse(bytes, path: "request")
        }
    }

    private static func modes(_ json: JSONValue?) -> HubServer.Answer {
        let files = (json?["files"]?.elements ?? []).map { file -> JSONValue in
            let path = file["path"]?.text ?? ""
            let sample = Data(base64Encoded: file["sample"]?.text ?? "") ?? Data()
            let isText = sample.allSatisfy { $0 < 128 } && file["size"]?.integer ?? 0 < 10_000_000
            return .members([
                "path": .string(path),
                "uploadMode": .string(!isText || HubFixture.isLarge(path) ? "lfs" : "regular"),
                "shouldIgnore": .bool(path.hasSuffix(".log")),
            ])
        }
        return .json(JSONValue.members(["files": .array(files)]).serialized())
    }

    private static func batch(
        _ json: JSONValue?, _ state: State, _ addresses: (hub: String, store: String)
    ) -> HubServer.Answer {
        let objects = (json?["objects"]?.elements ?? []).map { object -> JSONValue in
            let (digest, size) = (object["oid"]?.text ?? "", object["size"]?.integer ?? 0)
            guard state.objects[digest] == nil else {
                return .members(["oid": .string(digest), "size": .integer(size)])
            }
            var header: [JSONValue.Member] = []
            var address = "\(addresses.store)/whole/\(digest)"
            if size > partSize {
                address = addresses.hub + "/complete"
                header = [.init("chunk_size", .string(String(partSize)))]
                for number in 1...((size + partSize - 1) / partSize) {
                    let name = String(repeating: "0", count: 5 - String(number).count) + String(number)
                    header.append(.init(name, .string("\(addresses.store)/part/\(digest)/\(number)")))
                }
            }
            return .members([
                "oid": .string(digest), "size": .integer(size),
                "actions": .members([
                    "upload": .members(["href": .string(address), "header": .object(header)]),
                    "verify": .members(["href": .string(addresses.hub + "/verify")]),
                ]),
            ])
        }
        return .json(
            JSONValue.members(["transfer": .string("basic"), "objects": .array(objects)]).serialized())
    }

    private static func complete(_ json: JSONValue?, _ state: inout State) -> HubServer.Answer {
        let digest = json?["oid"]?.text ?? ""
        var bytes: [UInt8] = []
        for part in json?["parts"]?.elements ?? [] {
            let number = part["partNumber"]?.integer ?? 0
            guard let found = state.parts["\(digest)/\(number)"], part["etag"]?.text == "\"tag\(number)\""
            else {
                return .init(status: 400)
            }
            bytes += found
        }
        guard SHA256.hex(bytes) == digest else { return .init(status: 400) }
        state.objects[digest] = bytes
        return .json("{}")
    }

    private static func commit(_ request: HubServer.Request, _ state: inout State, _ hub: String)
        -> HubServer.Answer
    {
        let lines = request.body.split(separator: UInt8(ascii: "\n")).compactMap { parsed(Array($0)) }
        guard let header = lines.first?["value"], lines.first?["key"]?.text == "header" else {
            return .init(status: 400)
        }
        let parent = header["parentCommit"]?.text
        guard parent == nil || parent == state.commit else {
            return .init(status: 412, body: Array("{\"error\":\"A commit has happened since.\"}".utf8))
        }
        var files = state.files
        for line in lines.dropFirst() {
            guard let value = line["value"], let path = value["path"]?.text else { return .init(status: 400) }
            switch line["key"]?.text {
            case "file":
                files[path] = Data(base64Encoded: value["content"]?.text ?? "").map { Array($0) }
            case "lfsFile":
                guard let bytes = state.objects[value["oid"]?.text ?? ""] else { return .init(status: 400) }
                files[path] = bytes
            default: return .init(status: 400)
            }
        }
        let isRequest = request.target.contains("create_pr=1")
        state.messages.append(header["summary"]?.text ?? "")
        if !isRequest {
            state.files = files
            state.commits += 1
        }
        return .json(
            JSONValue.members([
                "success": .bool(true), "commitOid": .string(state.commit),
                "commitUrl": .string("\(hub)/me/model/commit/\(state.commit)"),
                "pullRequestUrl": isRequest ? .string("\(hub)/me/model/discussions/1") : .null,
            ]).serialized())
    }

    // MARK: - The store

    private static func store(_ request: HubServer.Request, _ box: Box) -> HubServer.Answer {
        let words = request.path.split(separator: "/").map(String.init)
        guard request.method == "PUT", words.count >= 2 else { return .init(status: 404) }
        return box.state.withLock { state in
            if words[0] == "whole" {
                guard SHA256.hex(request.body) == words[1] else { return .init(status: 400) }
                state.objects[words[1]] = request.body
                return .init()
            }
            state.parts["\(words[1])/\(words[2])"] = request.body
            return .init(headers: [("ETag", "\"tag\(words[2])\"")])
        }
    }
}
