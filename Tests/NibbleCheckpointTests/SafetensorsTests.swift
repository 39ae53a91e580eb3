import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("safetensors files")
struct SafetensorsTests {
    @Test("A valid file is laid out")
    func valid() throws {
        let file = try SafetensorsFile(path: Fixtures.path("broken/safetensors/valid.safetensors"))
        #expect(file.tensors.count == 2)
        let odd = try SafetensorsFile(
            path: Fixtures.path("broken/safetensors/valid-scalar-and-empty.safetensors"))
        #expect(odd.tensors.map(\.elementCount).sorted() == [0, 1])
    }

    @Test("A valid folder opens, sharded or not", arguments: ["valid-folder", "valid-sharded-folder"])
    func validFolder(name: String) throws {
        let weights = try SafetensorsCheckpoint(path: Fixtures.path("broken/safetensors/\(name)"))
        #expect(weights.tensors.count == 11)
    }

    /// Flaw, kind of error, and a part of the message that says what is wrong.
    static let flaws: [(String, CheckpointError.Code, String)] = [
        ("short-file.safetensors", .truncated, "header length"),
        ("header-too-long.safetensors", .malformed, "1099511627776"),
        ("header-beyond-file.safetensors", .truncated, "header"),
        ("header-not-json.safetensors", .malformed, "JSON"),
        ("header-not-object.safetensors", .malformed, "'{'"),
        ("header-empty.safetensors", .malformed, "'{'"),
        ("not-utf8.safetensors", .malformed, "UTF-8"),
        ("hole.safetensors", .malformed, "hole"),
        ("hole-at-start.safetensors", .malformed, "hole"),
        ("overlap.safetensors", .malformed, "overlap"),
        ("trailing-bytes.safetensors", .malformed, "after its header"),
        ("data-beyond-file.safetensors", .truncated, "after its header"),
        ("size-mismatch.safetensors", .malformed, "data_offsets"),
        ("unknown-dtype.safetensors", .unsupported, "F31"),
        ("negative-shape.safetensors", .malformed, "dimension"),
        ("shape-overflow.safetensors", .malformed, "too many"),
        ("shape-fraction.safetensors", .malformed, "dimension"),
        ("offset-overflow.safetensors", .malformed, "data_offsets"),
        ("duplicate-key.safetensors", .malformed, "duplicate"),
        ("metadata-not-string.safetensors", .malformed, "not a string"),
        ("deep-nesting.safetensors", .malformed, "nesting"),
        ("end-before-begin.safetensors", .malformed, "data_offsets"),
        ("missing-field.safetensors", .malformed, "shape"),
        ("index-missing-shard", .missing, "shard is missing"),
        ("index-absent-tensor", .inconsistent, "lm_head.weight"),
        ("index-unlisted-tensor", .inconsistent, "model.norm.weight"),
        ("index-escapes-folder", .malformed, "../outside.safetensors"),
        ("index-absolute-path", .malformed, "without a path"),
        ("index-not-json", .malformed, "JSON"),
        ("duplicate-tensor-in-shards", .inconsistent, "model.norm.weight"),
        ("no-weights", .missing, "model.safetensors"),
    ]

    @Test("A flaw is one error that names file and flaw", arguments: flaws)
    func flaw(name: String, code: CheckpointError.Code, part: String) throws {
        let path = Fixtures.path("broken/safetensors/\(name)")
        let error = #expect(throws: CheckpointError.self) { _ = try SafetensorsCheckpoint(path: path) }
        #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "")")
        #expect("\(error.map(String.init(describing:)) ?? "")".contains(part))
        #expect(error?.path.hasPrefix(Fixtures.path("broken/safetensors")) == true)
    }

    static let folderFlaws: [(String, CheckpointError.Code, String)] = [
        ("config-missing", .missing, "config.json"),
        ("config-not-json", .malformed, "config.json"),
        ("config-unknown-architecture", .unsupported, "NibbleForCausalLM"),
        ("config-missing-size", .missing, "hidden_size"),
        ("unknown-tensor-name", .unsupported, "self_attn.mystery.weight"),
        ("missing-tensor", .missing, "mlp.up_proj.weight"),
        ("wrong-shape", .inconsistent, "self_attn.q_proj.weight"),
    ]

    @Test("A folder's flaw is one error that names file and flaw", arguments: folderFlaws)
    func folderFlaw(name: String, code: CheckpointError.Code, part: String) throws {
        let error = #expect(throws: CheckpointError.self) {
            _ = try ModelCheckpoint(path: Fixtures.path("broken/safetensors/\(name)"))
        }
        #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "")")
        #expect("\(error.map(String.init(describing:)) ?? "")".contains(part))
    }

    @Test("Every broken file has its case here")
    func everyFlawIsListed() {
        let listed = Set((Self.flaws + Self.folderFlaws).map(\.0))
        let accepted: Set = [
            "valid.safetensors", "valid-scalar-and-empty.safetensors", "valid-folder", "valid-sharded-folder",
            "outside.safetensors",
        ]
        #expect(Set(FilePath.names(in: Fixtures.path("broken/safetensors"))) == listed.union(accepted))
    }

    @Test("What is written reads back, names with quotes and scalars included")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let tensors: [CheckpointLayout.Tensor] = [
            .init(name: "a \"quoted\" näme", shape: [2, 3], type: .bf16),
            .init(name: "scalar", shape: [], type: .f32),
            .init(name: "empty", shape: [0, 4], type: .f16),
        ]
        let header = try SafetensorsHeader(tensors: tensors, path: "")
        #expect((header.bytes.count - 8) % 8 == 0)
        let path = try folder.write(
            header.bytes + [UInt8](repeating: 7, count: header.fileSize - header.bytes.count),
            to: "x.safetensors")
        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["format": "pt"])
        #expect(Set(file.tensors.map(\.name)) == Set(tensors.map(\.name)))
        for (tensor, offset) in zip(tensors, header.offsets) {
            let read = try #require(file.tensors.first { $0.name == tensor.name })
            #expect(read.shape == tensor.shape && read.type == tensor.type && read.range.lowerBound == offset)
        }
    }

    @Test("Block formats are refused")
    func blockFormat() {
        #expect(throws: CheckpointError.self) {
            try SafetensorsHeader(tensors: [.init(name: "a", shape: [32], type: .q4_0)], path: "x")
        }
    }
}
