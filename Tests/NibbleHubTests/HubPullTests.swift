import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization
import Testing

@testable import NibbleHub

/// Pulling from a hub on this machine, and what goes wrong on the way.
@Suite("Pulling from a hub", .serialized)
struct HubPullTests {
    private let hub: HubFixture

    init() throws { hub = try HubFixture() }

    private func failure(_ pull: HubPull) -> HubError? {
        do throws(HubError) {
            _ = try pull.run()
            return nil
        } catch {
            return error
        }
    }

    // MARK: - What is brought

    @Test("brings a checkpoint in the layout of huggingface_hub, and nothing twice")
    func layout() throws {
        let result = try hub.pull().run()
        #expect(try hub.check(result) && result.files.count == 7)
        #expect(result.bytes == result.bytesReceived && result.commit == HubFixture.commit)
        let root = "cache/models--me--model"
        let paths = try hub.paths
        #expect(paths.contains("\(root)/snapshots/\(HubFixture.commit)/additional_chat_templates/rag.jinja"))
        #expect(!paths.contains { $0.hasSuffix(".incomplete") })
        #expect(try contents(hub.folder.file("\(root)/refs/main")) == Array(HubFixture.commit.utf8))
        let link = try FileManager.default.destinationOfSymbolicLink(
            atPath: hub.folder.file(
                "\(root)/snapshots/\(HubFixture.commit)/additional_chat_templates/rag.jinja"))
        #expect(link == "../../../blobs/" + HubFixture.gitDigest(Array("x".utf8)))
        let large = try FileManager.default.destinationOfSymbolicLink(
            atPath: result.path + "/model-00001-of-00002.safetensors")
        #expect(
            large == "../../blobs/" + SHA256.hex(try #require(hub.files["model-00001-of-00002.safetensors"])))
        let before = hub.server.requests.count
        let again = try hub.pull().run()
        #expect(again.bytesReceived == 0 && hub.server.requests.count == before + 1)
        // Every path is in the cache.
        #expect(paths.allSatisfy { $0 == "cache" || $0.hasPrefix("cache/") })
    }

    @Test("takes kinds, patterns, single files and revisions")
    func selections() throws {
        var pull = try hub.pull()
        pull.selection.kind = .gguf
        #expect(try pull.run().files.map(\.path) == ["m.Q4_0.gguf", "m.Q8_0.gguf"])
        pull.selection.include = ["*.gguf", "config.json"]
        pull.selection.exclude = ["*Q8*"]
        #expect(try pull.listing().files.map(\.path) == ["config.json", "m.Q4_0.gguf"])
        let file = try hub.pull("hf:me/model/m.Q8_0.gguf@v1").run()
        #expect(file.path.hasSuffix("/m.Q8_0.gguf") && file.files.count == 1)
        #expect(try contents(file.path) == hub.files["m.Q8_0.gguf"])
        #expect(try hub.pull("hf:me/model@refs/pr/1").run().commit == HubFixture.commit)
        #expect(try hub.paths.contains("cache/models--me--model/refs/refs/pr/1"))
        let missing = try failure(hub.pull("hf:me/model/m.Q5_0.gguf"))
        #expect(missing?.code == .notFound && missing?.advice == "it has m.Q4_0.gguf, m.Q8_0.gguf")
        pull.selection.include = ["*.sbs"]
        #expect(failure(pull)?.advice?.contains("model-00001-of-00002.safetensors") == true)
    }

    @Test("goes on where it stopped, and checks what was there")
    func resumes() throws {
        let bytes = try #require(hub.files["model-00001-of-00002.safetensors"])
        let part = hub.folder.file("cache/models--me--model/blobs/\(SHA256.hex(bytes)).incomplete")
        try hub.folder.makeFolder("cache/models--me--model/blobs")
        try Data(bytes[..<123_456]).write(to: URL(fileURLWithPath: part))
        #expect(try hub.check(hub.pull().run()))
        #expect(hub.server.requests.contains { $0.rangeStart == 123_456 })
        // What is there may be another's: it is brought anew.
        let other = try HubFixture()
        let second = other.folder.file("cache/models--me--model/blobs/\(SHA256.hex(bytes)).incomplete")
        try other.folder.makeFolder("cache/models--me--model/blobs")
        try Data([UInt8](repeating: 7, count: 1000)).write(to: URL(fileURLWithPath: second))
        #expect(try other.check(other.pull().run()))
        // And longer than the file.
        let third = try HubFixture()
        let long = third.folder.file("cache/models--me--model/blobs/\(SHA256.hex(bytes)).incomplete")
        try third.folder.makeFolder("cache/models--me--model/blobs")
        try Data([UInt8](repeating: 7, count: 400_000)).write(to: URL(fileURLWithPath: long))
        #expect(try third.check(third.pull().run()))
    }

    @Test("brings files to a folder of one's own, and again where they were edited")
    func ownFolder() throws {
        var pull = try hub.pull()
        pull.folder = hub.folder.file("own")
        let result = try pull.run()
        #expect(try result.path == hub.folder.file("own") && hub.check(result))
        #expect(try !hub.paths.contains { $0.hasPrefix("cache") })
        let config = hub.folder.file("own/config.json")
        #expect(
            try FileManager.default.attributesOfItem(atPath: config)[.type] as? FileAttributeType
                == .typeRegular)
        let before = hub.server.requests.count
        try pull.run()
        #expect(hub.server.requests.count == before + 1)
        try Data("{\"a\": 2}\n".utf8).write(to: URL(fileURLWithPath: config))
        // Of the same size: what came is told by bytes, not by sizes.
        let edited = try pull.run()
        #expect(try hub.check(edited) && hub.server.requests.count == before + 3)
        #expect(edited.bytesReceived == hub.files["config.json"]?.count)
        #expect(try hub.paths.allSatisfy { !$0.hasSuffix(".incomplete") })
        let metadata = String(
            decoding: try contents(hub.folder.file("own/.cache/huggingface/download/config.json.metadata")),
            as: UTF8.self)
        #expect(metadata.hasPrefix("\(HubFixture.commit)\n"))
        var one = try hub.pull("hf:me/model/m.Q8_0.gguf")
        one.folder = hub.folder.file("one")
        #expect(try contents(one.run().path) == hub.files["m.Q8_0.gguf"])
        var offline = try hub.pull { $0.isOffline = true }
        offline.folder = hub.folder.file("own")
        #expect(failure(offline)?.code == .offline)
        offline.folder = ""
        #expect(failure(offline)?.code == .invalidName)
    }

    @Test("uses what is there offline, and where the hub cannot be reached")
    func offline() throws {
        let none = try failure(hub.pull { $0.isOffline = true })
        #expect(none?.code == .offline && none?.advice?.contains("while there is a network") == true)
        let result = try hub.pull().run()
        #expect(try hub.pull { $0.isOffline = true }.run().path == result.path)
        #expect(
            try hub.pull("hf:me/model@\(HubFixture.commit)") { $0.isOffline = true }.run().path == result.path
        )
        hub.server.stop()
        #expect(try hub.pull { $0.retries = 1 }.run().path == result.path)
        let other = try failure(hub.pull("hf:me/other") { $0.retries = 1 })
        #expect(
            other?.code == .unreachable && other?.problem == "the connection is refused",
            "\(String(describing: other))")
    }

    @Test("gives the token to the hub, and to nobody that it redirects to")
    func token() throws {
        let files = hub.files
        let elsewhere = try HubServer { request in
            let path = String(request.target.dropFirst())
            return .init(body: files[path] ?? [])
        }
        defer { elsewhere.stop() }
        let target = elsewhere.address
        hub.change { request, answer in
            guard request.target.hasSuffix(".safetensors"), request.target.contains("/resolve/") else {
                return nil
            }
            let name = request.target.split(separator: "/").last.map(String.init) ?? ""
            // First to another path of the hub, as moved repositories are.
            guard request.target.contains("moved") else {
                return .init(status: 307, headers: [("Location", "/moved/resolve/\(name)")])
            }
            return .init(status: 302, headers: [("Location", "\(target)/\(name)")])
        }
        #expect(try hub.check(hub.pull { $0.token = "hf_secret" }.run()))
        #expect(hub.server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
        #expect(
            elsewhere.requests.count == 2
                && elsewhere.requests.allSatisfy { $0.headers["authorization"] == nil })
        // A redirect without end.
        hub.change { request, _ in
            request.target.contains("/resolve/")
                ? .init(status: 302, headers: [("Location", request.target)]) : nil
        }
        let other = try HubFixture()
        other.change { request, _ in
            request.target.contains("/resolve/")
                ? .init(status: 302, headers: [("Location", request.target)]) : nil
        }
        #expect(try failure(other.pull())?.problem.contains("redirected more than 10 times") == true)
    }

    // MARK: - Refusals

    @Test("says what to do where the hub refuses")
    func refusals() throws {
        let cases: [(status: Int, code: String, token: String?, expected: HubError.Code, words: String)] = [
            (401, "RepoNotFound", nil, .unauthorized, "there is hf:you/model"),
            (401, "", "t", .unauthorized, "there is hf:you/model"),
            (403, "GatedRepo", nil, .gated, "agree, and give a token in HF_TOKEN"),
            (403, "GatedRepo", "t", .gated, "press 'Agree and access repository'"),
            (404, "RevisionNotFound", nil, .notFound, "there is hf:you/model"),
            (418, "", nil, .unexpected, "status 418"),
        ]
        for (status, code, token, expected, words) in cases {
            hub.change { request, _ in
                request.target.hasPrefix("/api/models/")
                    ? .init(status: status, headers: code.isEmpty ? [] : [("X-Error-Code", code)]) : nil
            }
            let error = try #require(try failure(hub.pull { $0.token = token }))
            #expect(error.code == expected && error.description.contains(words), "\(error)")
        }
        hub.change { request, _ in request.target.contains("/resolve/") ? .init(status: 403) : nil }
        #expect(try failure(hub.pull())?.code == .gated)
        // No hub at all.
        for body in ["<html>", "[]", "{}", "{\"sha\":\"\(HubFixture.commit)\"}"] {
            hub.change { request, _ in .json(body) }
            #expect(try failure(hub.pull())?.code == .unexpected, "\(body)")
        }
    }

    @Test("refuses paths that leave the folder, and listings that contradict themselves")
    func badListings() throws {
        let good = HubFixture.listing(hub.files)
        for path in ["../x", "/etc/x", "a/../../x", "a//b", "", ".", "a\\b", "a/./b", "a\u{1B}[2J"] {
            hub.change { _, _ in
                .json(
                    good.replacingOccurrences(
                        of: "\"config.json\"",
                        with:
                            "\"\(path.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\u{1B}", with: "\\u001b"))\""
                    ))
            }
            let error = try #require(try failure(hub.pull()))
            #expect(error.code == .corrupt && error.problem.contains("leave its folder"), "\(error)")
        }
        for (old, new) in [
            ("\"tokenizer.json\"", "\"config.json\""), ("\"size\":", "\"siz\":"),
            ("\"blobId\":\"", "\"blobId\":\"../"),
            (HubFixture.commit, "../../x"), ("\"sha256\":\"", "\"sha256\":\"x"),
            ("\"size\":9,", "\"size\":4611686018427387904,"),
        ] {
            hub.change { _, _ in .json(good.replacingOccurrences(of: old, with: new)) }
            // A large file without a digest of its own is one with its blob's, whose contents then differ.
            let code = try failure(hub.pull())?.code
            #expect(
                code == .unexpected || code == .corrupt || code == .notFound,
                "\(new): \(String(describing: code))")
        }
        #expect(try hub.paths.allSatisfy { $0 == "cache" || $0.hasPrefix("cache/") })
    }

    @Test("waits as it is asked to, tries again, and gives up")
    func retries() throws {
        let failures = Mutex(3)
        hub.change { request, _ in
            guard request.target.contains("tokenizer.json") else { return nil }
            let isLeft = failures.withLock { left -> Bool in
                left -= 1
                return left >= 0
            }
            return isLeft ? .init(status: 429, headers: [("Retry-After", "0")]) : nil
        }
        #expect(try hub.check(hub.pull().run()))
        // A time that cannot be waited.
        hub.change { request, _ in
            request.target.contains("/revision/")
                ? .init(status: 429, headers: [("Retry-After", "-1e30")]) : nil
        }
        #expect(try failure(hub.pull { $0.retries = 2 })?.code == .rateLimited)
        let other = try HubFixture()
        other.change { request, _ in request.target.contains("/resolve/") ? .init(status: 503) : nil }
        let unavailable = try failure(other.pull { $0.retries = 2 })
        #expect(unavailable?.code == .unreachable && unavailable?.problem.contains("status 503") == true)
        other.change { request, _ in
            request.target.contains("/resolve/")
                ? .init(status: 429, headers: [("Retry-After", "4000")]) : nil
        }
        #expect(try failure(other.pull())?.code == .rateLimited)
    }

    @Test("refuses files that are not what the hub lists")
    func corrupt() throws {
        hub.change { request, answer in
            guard request.target.contains("00002-of"), answer.status == 200 else { return nil }
            var changed = answer
            changed.body[70] ^= 1
            return changed
        }
        let error = try #require(try failure(hub.pull()))
        #expect(error.code == .corrupt && error.description.contains("has not the digest"), "\(error)")
        #expect(error.description.contains("model-00002-of-00002.safetensors"))
        // The others are there, and nothing of the damaged one.
        let bytes = try #require(hub.files["model-00002-of-00002.safetensors"])
        #expect(try !hub.paths.contains { $0.contains(SHA256.hex(bytes)) && !$0.hasSuffix(".lock") })
        hub.change { request, answer in
            guard request.target.contains("00002-of") else { return nil }
            return .init(body: answer.body + [1, 2, 3])
        }
        let long = try #require(try failure(hub.pull()))
        #expect(
            long.code == .corrupt && long.problem.contains("announces 70004 bytes, 70001 are left"), "\(long)"
        )
        hub.change { request, answer in
            guard request.target.contains("00002-of") else { return nil }
            return .init(body: answer.body + [1, 2, 3], announced: -1)
        }
        let more = try #require(try failure(hub.pull()))
        #expect(more.code == .corrupt && more.problem.contains("sends more than"), "\(more)")
        hub.change(nil)
        #expect(try hub.check(hub.pull().run()))
    }

    @Test("may run twice at once", .timeLimit(.minutes(1)))
    func twice() throws {
        let (first, second) = (try hub.pull(), try hub.pull())
        let results = Mutex<[HubPull.Result]>([])
        DispatchQueue.concurrentPerform(iterations: 2) { index in
            if let result = try? (index == 0 ? first : second).run() {
                results.withLock { $0.append(result) }
            }
        }
        let both = results.withLock { $0 }
        #expect(both.count == 2)
        #expect(try both.allSatisfy { try hub.check($0) })
        // Each file came once.
        let gets = hub.server.requests.filter { $0.target.contains("/resolve/") }.map(\.target)
        #expect(Set(gets).count == gets.count, "\(gets.sorted())")
    }

    @Test("can be stopped, and keeps what came")
    func cancelled() throws {
        hub.change { request, answer in
            guard request.target.contains("00001-of") else { return nil }
            Thread.sleep(forTimeInterval: 0.2)
            return nil
        }
        var pull = try hub.pull()
        pull.parallelism = 1
        let start = ContinuousClock.now
        do throws(HubError) {
            _ = try pull.run(isCancelled: { start.duration(to: .now) > .milliseconds(50) })
            Issue.record("was not stopped")
        } catch {
            #expect(error.code == .cancelled, "\(error)")
        }
        hub.change(nil)
        #expect(try hub.check(pull.run()))
    }

    @Test(
        "survives 200 faults, one after the other: the right files, or an error, and nothing outside",
        .timeLimit(.minutes(5)))
    func faults() throws {
        var generator = SeededGenerator(seed: 5)
        var (right, refused) = (0, 0)
        for number in 0..<200 {
            let hub = number % 20 == 0 ? try HubFixture() : self.hub
            try? FileManager.default.removeItem(atPath: hub.folder.file("cache"))
            let kind = Int.random(in: 0..<10, using: &generator)
            let chance = Int.random(in: 1...4, using: &generator)
            let cut = Int.random(in: 0..<60_000, using: &generator)
            let count = Mutex(0)
            hub.change { request, answer in
                let index = count.withLock { count -> Int in
                    count += 1
                    return count
                }
                guard index % chance == 0 else { return nil }
                var changed = answer
                switch kind {
                case 0: return .init(status: [500, 502, 503, 504][index % 4])
                case 1: return .init(status: 429, headers: [("Retry-After", "0")])
                case 2: changed.cut = cut % max(answer.body.count, 1)
                case 3:
                    // The range is ignored.
                    changed.status = 200
                    changed.headers = []
                    if request.rangeStart != nil { return .init(body: Array(answer.body.reversed())) }
                case 4: if !changed.body.isEmpty { changed.body[cut % changed.body.count] ^= 4 }
                case 5: changed.body += [0]
                case 6: changed.announced = answer.body.count + 100
                case 7: changed.headers = [("Content-Range", "bytes 7-8/9")]
                case 8: return .init(status: 401 + index % 4)
                default: changed.announced = -1
                }
                return changed
            }
            do {
                let result = try hub.pull { $0.timeout = 1 }.run()
                #expect(try hub.check(result), "fault \(number) of kind \(kind)")
                right += 1
            } catch let error as HubError {
                refused += 1
                #expect(!error.problem.isEmpty)
            }
            let root = hub.folder.file("cache/models--me--model/blobs")
            for name in FilePath.names(in: root) where !name.hasSuffix(".incomplete") {
                // What is under a digest has it.
                let bytes = try contents(root + "/" + name)
                #expect(
                    [SHA256.hex(bytes), HubFixture.gitDigest(bytes)].contains(name),
                    "fault \(number) of kind \(kind)")
            }
            #expect(try hub.paths.allSatisfy { $0 == "cache" || $0.hasPrefix("cache/") })
        }
        #expect(right > 50 && refused > 20, "\(right) right, \(refused) refused")
    }
}
