import NibbleTestSupport
import Testing

@testable import NibbleHub

@Suite("Names and settings of hubs")
struct HubSettingsTests {
    @Test("are written hf:OWNER/NAME")
    func names() throws {
        for (text, id, file, revision) in [
            ("hf:google/gemma-3-270m", "google/gemma-3-270m", nil, "main"),
            ("hf:a/b@v1.0", "a/b", nil, "v1.0"),
            ("hf:a/b/c/d.gguf@refs/pr/2", "a/b", "c/d.gguf", "refs/pr/2"),
        ] as [(String, String, String?, String)] {
            let name = try HubRepository(text)
            #expect(name.id == id && name.file == file && name.revision == revision)
            #expect(name.description == text)
        }
        for text in [
            "google/gemma", "hf:gemma", "hf:/b", "hf:a/", "hf:a/b@", "hf:a/../b", "hf:a/b/../../c",
            "hf:a b/c", "hf:a/b@../x",
            "hf:a/b//c", "hf:..", "hf:../x", "hf:a/b\u{0}", "hf:-a/b", "hf:a--b/c", "hf:a/b/", "hf:a/b@x//y",
        ] {
            let error = #expect(throws: HubError.self, "\(text)") { try HubRepository(text) }
            #expect(error?.code == .invalidName && error?.advice?.contains("hf:OWNER/NAME") == true)
        }
    }

    @Test("come from the environment as huggingface_hub has them")
    func environment() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("hf_file\n".utf8), to: "token")
        let plain = try HubSettings(environment: ["HOME": "/h"])
        #expect(plain.endpoint == "https://huggingface.co" && plain.cache == "/h/.cache/huggingface/hub")
        #expect(plain.token == nil && !plain.isOffline)
        let home = try HubSettings(environment: ["HF_HOME": folder.path, "HF_HUB_OFFLINE": "1"])
        #expect(home.token == "hf_file" && home.cache == folder.path + "/hub" && home.isOffline)
        let own = try HubSettings(environment: [
            "HF_HOME": folder.path, "HF_TOKEN": "hf_own", "HF_HUB_CACHE": "/c",
            "HF_ENDPOINT": "http://localhost:1/",
        ])
        #expect(own.token == "hf_own" && own.cache == "/c" && own.endpoint == "http://localhost:1")
        #expect(try HubSettings(environment: ["HF_TOKEN_PATH": folder.file("token")]).token == "hf_file")
        #expect(try HubSettings(environment: ["XDG_CACHE_HOME": "/x"]).cache == "/x/huggingface/hub")
        #expect(throws: HubError.self) { try HubSettings(environment: ["HF_ENDPOINT": "huggingface.co"]) }
        #expect(throws: HubError.self) { try HubSettings(environment: ["HF_TOKEN": "a\u{7}b"]) }
    }

    @Test("match patterns as shells do")
    func patterns() {
        for (path, pattern, expected) in [
            ("a.gguf", "*.gguf", true), ("x/a.gguf", "*.gguf", true), ("a.ggufx", "*.gguf", false),
            ("abc", "a?c", true),
            ("abc", "a?", false), ("", "*", true), ("a", "", false), ("aab", "*ab", true),
            ("model-Q4_0.gguf", "*Q4*", true),
        ] {
            #expect(HubSelection.matches(path, pattern) == expected, "\(path) \(pattern)")
        }
    }

    @Test("have digests as git has them")
    func digests() {
        // git hash-object of an empty file, and of "hello\n".
        #expect(HubFixture.gitDigest([]) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        #expect(HubFixture.gitDigest(Array("hello\n".utf8)) == "ce013625030ba8dba906f756967f9e9ca394464a")
    }
}
