import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
    @Test("A valid file is laid out")
    func valid() throws {
        let file = try GGUFFile(path: Fixtures.path("broken/gguf/valid.gguf"))
        #expect(file.version == 3)
        #expect(file.metadata.keys.count == 1)
        #expect(file.tensors.count == 2)
        #expect(file.tensors[1].range.lowerBound - file.tensors[0].range.lowerBound == 32)
    }

    @Test("Version 2 is read like version 3")
    func version2() throws {
        let folder = try TemporaryFolder()
        let path = Fixtures.path("hub/llama3.expected.gguf")
        var bytes = try contents(path)
        bytes[4] = 2
        let file = try GGUFFile(path: try folder.write(bytes, to: "v2.gguf"))
        #expect(file.version == 2)
        #expect(file.tensors.map(\.range) == (try GGUFFile(path: path)).tensors.map(\.range))
    }

    @Test("Shards are joined and the keys of the split left out")
    func split() throws {
        let model = try GGUFCheckpoint(
            path: Fixtures.path("broken/gguf/valid-split/model-00001-of-00002.gguf"))
        #expect(model.files.count == 2)
        #expect(model.tensors.count == 2)
        #expect(!model.metadata.keys.contains { $0.hasPrefix("split.") })
    }

    /// Flaw, kind of error, and a part of the message that says what is wrong.
    static let flaws: [(String, CheckpointError.Code, String)] = [
        ("empty-file", .truncated, "is empty"),
        ("bad-magic", .malformed, "not a GGUF file"),
        ("version-0", .unsupported, "version 0"),
        ("version-1", .unsupported, "version 1"),
        ("version-99", .unsupported, "version 99"),
        ("big-endian", .unsupported, "big-endian"),
        ("truncated-header", .truncated, "tensor count"),
        ("truncated-key", .truncated, "21 bytes left"),
        ("truncated-tensor-info", .truncated, "tensor"),
        ("truncated-tensor-data", .truncated, "file ends"),
        ("negative-tensor-count", .malformed, "-1"),
        ("negative-kv-count", .malformed, "-1"),
        ("huge-tensor-count", .truncated, "tensor count"),
        ("huge-kv-count", .truncated, "key count"),
        ("huge-string", .truncated, "1099511627776"),
        ("huge-array", .truncated, "1099511627776"),
        ("huge-array-overflow", .truncated, "elements"),
        ("nested-array", .malformed, "array of arrays"),
        ("unknown-kv-type", .malformed, "type 13"),
        ("unknown-array-type", .malformed, "type 13"),
        ("empty-key", .malformed, "empty"),
        ("duplicate-key", .malformed, "general.name"),
        ("invalid-utf8-key", .malformed, "UTF-8"),
        ("duplicate-tensor", .malformed, "token_embd.weight"),
        ("long-tensor-name", .malformed, "64 bytes"),
        ("five-dims", .malformed, "5 dimensions"),
        ("negative-dim", .malformed, "-2"),
        ("dim-overflow", .malformed, "elements"),
        ("size-overflow", .malformed, "tensor"),
        ("removed-type", .unsupported, "type 4"),
        ("unknown-type", .unsupported, "type 99"),
        ("row-not-multiple-of-block", .malformed, "48"),
        ("gapped-offsets", .malformed, "expected 32"),
        ("overlapping-offsets", .malformed, "offset 0, expected 32"),
        ("unordered-offsets", .malformed, "expected 0"),
        ("misaligned-offset", .malformed, "offset 16, expected 32"),
        ("offset-beyond-file", .malformed, "1099511627776"),
        ("alignment-not-power-of-two", .malformed, "power of two"),
        ("alignment-zero", .malformed, "power of two"),
        ("alignment-wrong-type", .malformed, "uint32"),
        ("alignment-64-ignored", .malformed, "expected 64"),
        ("missing-architecture", .missing, "general.architecture"),
        ("unknown-architecture", .unsupported, "gemma3, llama, qwen2, qwen3"),
        ("architecture-wrong-type", .missing, "general.architecture"),
        ("unknown-tensor", .unsupported, "blk.0.mystery.weight"),
        ("missing-tensor", .missing, "blk.0.ffn_up.weight"),
        ("wrong-shape", .inconsistent, "blk.0.attn_q.weight"),
        ("kv-wrong-type", .malformed, "llama.block_count"),
        ("split-missing/model-00001-of-00002", .inputOutput, "model-00002-of-00002.gguf"),
        ("split-count-mismatch/model-00001-of-00002", .inconsistent, "part 2 of 2"),
        ("split-count-name-mismatch/model-00001-of-00002", .missing, "00001-of-00003"),
        ("split-no-mismatch/model-00001-of-00002", .inconsistent, "part 2 of 2"),
        ("split-duplicate-tensor/model-00001-of-00002", .inconsistent, "token_embd.weight"),
        ("split-tensor-total-mismatch/model-00001-of-00002", .inconsistent, "3 tensors"),
        ("split-wrong-type/model-00001-of-00002", .malformed, "uint16"),
    ]

    @Test("A flaw is one error that names file and flaw", arguments: flaws)
    func flaw(name: String, code: CheckpointError.Code, part: String) throws {
        let path = Fixtures.path("broken/gguf/\(name).gguf")
        let error = #expect(throws: CheckpointError.self) { _ = try ModelCheckpoint(path: path) }
        #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "")")
        #expect("\(error.map(String.init(describing:)) ?? "")".contains(part))
        #expect(error?.path.hasPrefix(Fixtures.path("broken/gguf")) == true)
        #expect("\(error.map(String.init(describing:)) ?? "")".contains("\n") == false)
    }

    @Test("Every broken file has its case here")
    func everyFlawIsListed() throws {
        let listed = Set(Self.flaws.map { String($0.0.split(separator: "/")[0]) })
        let accepted: Set = [
            "valid", "valid-model", "valid-split", "truncated-last-padding", "invalid-utf8-value",
        ]
        let present = Set(
            FilePath.names(in: Fixtures.path("broken/gguf")).map {
                $0.split(separator: ".").first.map(String.init) ?? $0
            })
        #expect(present == listed.union(accepted))
    }

    @Test("A text that is not UTF-8 is an error where it is used")
    func invalidValue() throws {
        let file = try GGUFFile(path: Fixtures.path("broken/gguf/invalid-utf8-value.gguf"))
        #expect(throws: CheckpointError.self) { try file.metadata.value("general.name") }
    }

    @Test("Writing what was read gives the same bytes", arguments: Fixtures.hubNames)
    func roundTrip(name: String) throws {
        let path = Fixtures.path("hub/\(name).expected.gguf")
        let file = try GGUFFile(path: path)
        let header = try GGUFHeader(
            metadata: file.metadata,
            tensors: file.tensors.map { .init(name: $0.name, shape: $0.shape, type: $0.type) }, path: path)
        let original = try contents(path)
        #expect(header.bytes == Array(original[..<header.bytes.count]))
        #expect(header.fileSize == original.count)
        #expect(header.offsets == file.tensors.map(\.range.lowerBound))
    }

    @Test("Decoded values are written as they were stored", arguments: Fixtures.hubNames)
    func values(name: String) throws {
        let file = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf"))
        var copy = GGUFMetadata()
        for key in file.metadata.keys { copy.set(key, try #require(try file.metadata.value(key))) }
        let stored = try GGUFHeader(metadata: file.metadata, tensors: [], path: "")
        let decoded = try GGUFHeader(metadata: copy, tensors: [], path: "")
        #expect(stored.bytes == decoded.bytes)
    }
}
