import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization
import Testing

@testable import NibbleHub

/// Pushing to a hub on this machine, and what goes wrong on the way.
@Suite("Pushing to a hub", .serialized)
struct HubPushTests {
    private let hub: HubStore
    private let files: [String: [UInt8]]

    init() throws {
        hub = try HubStore()
        var generator = SeededGenerator(seed: 21)
        func bytes(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        files = [
            "config.json": Array("{\"a\": 1}\n".utf8), "README.md": Array("# A model\n".utf8),
            "empty.txt": [],
            "model.safetensors": bytes(30_000), "large.gguf": bytes(170_001),
            "inner/tokenizer.json": Array("{}".utf8),
        ]
        for (name, contents) in files { try write(contents, name) }
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        let path = hub.folder.file("model/" + name)
        try FileManager.default.createDirectory(
            atPath: FilePath.folder(of: path), withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func failure(_ push: HubPush) -> HubError? {
        do throws(HubError) {
            _ = try push.run()
            return nil
        } catch {
            return error
        }
    }

    /// What the hub has besides what it began with.
    private var stored: [String: [UInt8]] { hub.state.files.filter { $0.key != ".gitattributes" } }

    // MARK: - What is sent

    @Test("brings a folder in one commit, and sends nothing twice")
    func folder() throws {
        try write([1], ".cache/x")
        try write([1], "half.gguf.part")
        let reached = Mutex<[HubProgress]>([])
        let result = try hub.push().run(progress: { state in reached.withLock { $0.append(state) } })
        #expect(stored == files && hub.state.commits == 1)
        #expect(result.commit == HubStore.commit(1) && result.address?.hasSuffix(result.commit) == true)
        #expect(result.files.count == files.count && result.files.allSatisfy { $0.state == .new })
        #expect(hub.state.messages == ["Upload 6 files with nibble"])
        let total = files.values.reduce(0) { $0 + $1.count }
        let end = reached.withLock { $0.map(\.bytesDone).max() }
        #expect(end == total && reached.withLock { $0.allSatisfy { $0.bytesTotal == total } })
        // The store is another server: it must not learn the token.
        #expect(hub.store.requests.count == 6)
        #expect(hub.store.requests.allSatisfy { $0.headers["authorization"] == nil })

        let again = try hub.push().run()
        #expect(again.files.allSatisfy { $0.state == .same } && again.address == nil)
        #expect(again.commit == result.commit && hub.store.requests.count == 6 && hub.state.commits == 1)

        try write(Array("{\"a\": 2}\n".utf8), "config.json")
        try write([9, 200], "new.bin")
        #expect(
            try hub.push().files().filter { $0.state != .same }.map { "\($0.path) \($0.state)" }
                == ["config.json changed", "new.bin new"])
        let third = try hub.push().run()
        #expect(third.files.count { $0.state == .same } == 5 && hub.store.requests.count == 7)
        #expect(stored["config.json"] == Array("{\"a\": 2}\n".utf8) && stored["new.bin"] == [9, 200])
    }

    @Test("takes patterns, single files, paths there, messages, and pull requests")
    func selections() throws {
        var push = try hub.push(to: "hf:me/model/q4")
        push.selection.include = ["*.gguf", "*.json"]
        push.selection.exclude = ["inner/*"]
        push.message = "Two \"files\"\nand more"
        try push.run()
        #expect(stored.keys.sorted() == ["q4/config.json", "q4/large.gguf"])
        #expect(hub.state.messages == ["Two \"files\"\nand more"])
        try hub.push("model/README.md").run()
        try hub.push("model/large.gguf", to: "hf:me/model/a/b.gguf").run()
        #expect(stored["README.md"] == files["README.md"] && stored["a/b.gguf"] == files["large.gguf"])
        // Contents that are there are not sent under another name.
        #expect(hub.store.requests.count == 5)
        var request = try hub.push()
        request.opensPullRequest = true
        let result = try request.run()
        #expect(result.address == hub.hub.address + "/me/model/discussions/1" && stored.count == 4)
        push.selection.include = ["*.sbs"]
        #expect(failure(push)?.code == .notFound)
        // What .gitignore names is said.
        try write([1], "train.log")
        #expect(try hub.push().run().files.first { $0.state == .ignored }?.path == "train.log")
        #expect(stored["train.log"] == nil)
    }

    @Test("makes a repository only where that is asked for")
    func creation() throws {
        hub.change { $0.exists = false }
        let error = try #require(try failure(hub.push()))
        #expect(error.code == .unauthorized && error.advice?.contains("--create private") == true, "\(error)")
        var push = try hub.push()
        push.creation = .private
        #expect(try push.files().allSatisfy { $0.state == .new } && !hub.state.exists)
        try push.run()
        #expect(hub.state.exists && hub.state.isPrivate && stored == files)
        // A hub that makes it public all the same gets nothing.
        let other = try HubStore()
        other.change { $0.exists = false }
        other.fail { request, answer in
            if request.path == "/api/repos/create" {
                other.change { ($0.exists, $0.isPrivate) = (true, false) }
            }
            return nil
        }
        try Data([1]).write(to: URL(fileURLWithPath: other.folder.file("x.gguf")))
        var open = try other.push("x.gguf")
        open.creation = .private
        let refusal = try #require(failure(open))
        #expect(refusal.problem.contains("made public") && other.store.requests.isEmpty)
    }

    @Test("says what cannot be sent")
    func refusals() throws {
        #expect(try failure(hub.push { $0.token = nil })?.advice?.contains("HF_TOKEN") == true)
        #expect(try failure(hub.push { $0.isOffline = true })?.code == .offline)
        #expect(try failure(hub.push("absent"))?.code == .inputOutput)
        #expect(try failure(hub.push { $0.token = "hf_other" })?.code == .unauthorized)
        try write([1], "a\\b")
        #expect(try failure(hub.push())?.problem.contains("cannot be called") == true)
        try FileManager.default.removeItem(atPath: hub.folder.file("model/a\\b"))
        try FileManager.default.createSymbolicLink(
            atPath: hub.folder.file("model/loop"), withDestinationPath: "..")
        #expect(try failure(hub.push())?.problem == "is a link to a folder")
        try FileManager.default.removeItem(atPath: hub.folder.file("model/loop"))
        for (path, status, code) in [
            ("/preupload/", 403, HubError.Code.unauthorized), ("/commit/", 403, .unauthorized),
            ("/commit/", 413, .unexpected), ("/batch", 422, .unexpected), ("/batch", 200, .unexpected),
            ("/preupload/", 200, .unexpected), ("/commit/", 200, .unexpected),
        ] {
            hub.change { $0 = .init() }
            hub.fail { request, _ in
                guard request.path.contains(path) else { return nil }
                return .init(status: status, body: Array("{\"error\":\"no\"}".utf8))
            }
            let error = try #require(try failure(hub.push()))
            #expect(error.code == code, "\(path) \(status): \(error)")
            #expect(status == 200 || error.problem.contains("(no)"), "\(error)")
            // The hub made the commit and says otherwise.
            #expect(path == "/commit/" || stored.isEmpty)
        }
    }

    @Test("does not lose what another has written in the meantime")
    func conflict() throws {
        hub.fail { [hub] request, _ in
            if request.path.contains("/preupload/") {
                hub.change { state in
                    state.files["config.json"] = [7]
                    state.commits += 1
                }
            }
            return nil
        }
        let error = try #require(try failure(hub.push()))
        #expect(error.code == .conflict && error.problem.contains("A commit has happened since"), "\(error)")
        #expect(stored == ["config.json": [7]])
    }

    @Test("takes no part sizes that cannot be sent")
    func partSizes() throws {
        for size in ["9223372036854775807", "0", "-1", "x", "2147483648"] {
            hub.fail { request, answer in
                guard request.path.hasSuffix("/batch") else { return nil }
                let text = String(decoding: answer.body, as: UTF8.self)
                return .json(text.replacingOccurrences(of: "\"40000\"", with: "\"\(size)\""))
            }
            let error = try #require(try failure(hub.push("model/large.gguf")))
            #expect(error.code == .unexpected && error.problem.contains("parts"), "\(size): \(error)")
        }
    }

    @Test("asks for other addresses where the store takes the first no longer")
    func expired() throws {
        let isFirst = Mutex(true)
        hub.fail { request, _ in
            guard request.path.hasSuffix("/2"), isFirst.withLock({ $0 }) else { return nil }
            isFirst.withLock { $0 = false }
            return .init(status: 403)
        }
        try hub.push().run()
        #expect(stored == files)
        #expect(hub.hub.requests.count { $0.path.hasSuffix("/batch") } == 3)
    }

    @Test("finds the commit that came through while it asked")
    func slowCommit() throws {
        // The first answer is lost before the commit is there; the second try is refused as it then is.
        let count = Mutex(0)
        let before = hub.state
        hub.fail { [hub] request, answer in
            guard request.path.contains("/commit/") else { return nil }
            let number = count.withLock { count -> Int in
                count += 1
                return count
            }
            let made = hub.state
            guard number == 1 else {
                return .init(status: 412, body: Array("{\"error\":\"A commit has happened since.\"}".utf8))
            }
            hub.change { $0 = before }
            hub.change { $0.objects = made.objects }
            let thread = Thread {
                Thread.sleep(forTimeInterval: 0.001)
                while count.withLock({ $0 }) < 2 { Thread.sleep(forTimeInterval: 0.001) }
                hub.change { $0 = made }
            }
            thread.start()
            var cut = answer
            cut.cut = 3
            return cut
        }
        do {
            let result = try hub.push().run()
            #expect(stored == files && result.commit == HubStore.commit(1))
        } catch let error as HubError where error.code == .conflict {
            // The thread came later than the question.
            #expect(stored == files || stored.isEmpty)
        }
    }

    @Test("says where the hub takes nothing, and strips what terminals take for commands")
    func nothing() throws {
        try write([1], "train.log")
        let result = try hub.push("model/train.log").run()
        #expect(result.files.map(\.state) == [.ignored] && result.address == nil && hub.state.commits == 0)
        hub.fail { request, _ in
            request.path.contains("/commit/")
                ? .init(status: 422, body: Array("{\"error\":\"a\\u001b[2J\\nb\"}".utf8)) : nil
        }
        #expect(try failure(hub.push())?.problem.hasSuffix("(a[2Jb)") == true)
    }

    @Test("makes one commit where the answer to it is lost")
    func lostAnswer() throws {
        let isFirst = Mutex(true)
        hub.fail { request, answer in
            guard request.path.contains("/commit/"), isFirst.withLock({ $0 }) else { return nil }
            isFirst.withLock { $0 = false }
            var cut = answer
            cut.cut = 3
            return cut
        }
        let result = try hub.push().run()
        #expect(hub.state.commits == 1 && stored == files && result.commit == HubStore.commit(1))
        // A pull request is not opened twice.
        isFirst.withLock { $0 = true }
        try write([1], "more.json")
        var push = try hub.push()
        push.opensPullRequest = true
        let error = try #require(failure(push))
        #expect(error.problem.contains("after the commit was sent") && hub.state.messages.count == 2)
    }

    @Test("refuses a file that is written while it is sent")
    func changed() throws {
        hub.fail { [self] request, _ in
            if request.path.contains("/whole/") { try? write([4, 5], "model.safetensors") }
            return nil
        }
        let error = try #require(try failure(hub.push()))
        #expect(error.problem.contains("while it was sent") && stored.isEmpty, "\(error)")
    }

    @Test("can be stopped, and goes on with what arrived")
    func cancelled() throws {
        hub.fail { request, _ in
            if request.path.contains("/part/"), request.path.hasSuffix("/3") {
                Thread.sleep(forTimeInterval: 0.5)
            }
            return nil
        }
        var push = try hub.push()
        push.parallelism = 1
        do throws(HubError) {
            let store = hub.store
            _ = try push.run(isCancelled: { store.requests.contains { $0.path.hasSuffix("/3") } })
            Issue.record("was not stopped")
        } catch {
            #expect(error.code == .cancelled, "\(error)")
        }
        #expect(stored.isEmpty)
        hub.fail(nil)
        try push.run()
        #expect(stored == files)
    }

    @Test(
        "survives 150 faults, one after the other: all files, or an error and none of them",
        .timeLimit(.minutes(5)))
    func faults() throws {
        var generator = SeededGenerator(seed: 8)
        var (right, refused) = (0, 0)
        for number in 0..<150 {
            hub.change { $0 = .init() }
            let kind = Int.random(in: 0..<6, using: &generator)
            let chance = Int.random(in: 2...5, using: &generator)
            let count = Mutex(0)
            hub.fail { request, answer in
                let index = count.withLock { count -> Int in
                    count += 1
                    return count
                }
                guard index % chance == 0 else { return nil }
                var changed = answer
                switch kind {
                case 0: return .init(status: [500, 502, 503, 504][index % 4])
                case 1: return .init(status: 429, headers: [("Retry-After", "0")])
                case 2: changed.cut = answer.body.count / 2
                case 3: return .init(status: 401 + index % 4)
                case 4: changed.body = []
                default: changed.headers = []
                }
                return changed
            }
            do {
                _ = try hub.push { $0.timeout = 1 }.run()
                #expect(stored == files && hub.state.commits == 1, "fault \(number) of kind \(kind)")
                right += 1
            } catch let error as HubError {
                refused += 1
                // An answer that was lost may be that of the commit.
                #expect(stored.isEmpty || stored == files, "fault \(number) of kind \(kind): \(error)")
            }
        }
        #expect(right > 40 && refused > 20, "\(right) right, \(refused) refused")
    }

    @Test(
        "leaves what Python's huggingface_hub leaves",
        .enabled(if: ReferencePython.path != nil, "\(ReferencePython.hint("huggingface_hub"))"))
    func python() throws {
        try hub.push().run()
        let other = try HubStore()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(ReferencePython.path))
        process.arguments = [
            "-c",
            """
            import sys
            from huggingface_hub import HfApi
            api = HfApi(endpoint=sys.argv[1], token="hf_secret")
            api.upload_folder(repo_id="me/model", folder_path=sys.argv[2], commit_message="python")
            """, other.hub.address, hub.folder.file("model"),
        ]
        process.environment = [
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_ENDPOINT": other.hub.address,
            "HOME": hub.folder.path, "HF_HUB_DISABLE_TELEMETRY": "1",
        ]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(other.state.files == hub.state.files && other.state.objects == hub.state.objects)
    }
}
