import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("Provenance")
struct ProvenanceTests {
    static let example = Provenance(
        teacherName: "gemma-3-270m", teacherDigest: "ab12", plan: "q4_0", recipeDigest: "cd34",
        textDigest: "ef56", steps: 400, tokens: 204_800, seed: .max, nibbleVersion: "0.3.0",
        perplexities: ["teacher": 21.9906, "trained": 24.000000000000004, "rounded": 30.37],
        heldOutTextDigest: "9876",
        calibration: .init(
            tokens: 131_072, textDigest: "ef56",
            methods: [
                .init(
                    tensor: "blk.0.attn_k.weight",
                    methods: "guidedquant+gptaq+importance+gptq+yaqa+coordinate_descent"),
                .init(
                    tensor: "blk.0.ffn_up.weight",
                    methods: "gptaq+gptq+coordinate_descent, no yaqa: it has 6912 rows, more than 4096"),
            ]))

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func metadata(_ provenance: Provenance) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata.set("general.architecture", .string("gemma3"))
        metadata.set(provenance)
        return metadata
    }

    @Test("GGUF keys have the types that are documented")
    func types() throws {
        let metadata = metadata(Self.example)
        #expect(
            metadata.keys.dropFirst() == [
                "nibble.qat.teacher.name", "nibble.qat.teacher.sha256", "nibble.qat.plan",
                "nibble.qat.recipe.sha256", "nibble.qat.text.sha256", "nibble.qat.steps",
                "nibble.qat.tokens", "nibble.qat.seed", "nibble.qat.version", "nibble.qat.held_out.sha256",
                "nibble.qat.perplexity.rounded", "nibble.qat.perplexity.teacher",
                "nibble.qat.perplexity.trained", "nibble.qat.calibration.tokens",
                "nibble.qat.calibration.text.sha256", "nibble.qat.calibration.methods",
            ])
        #expect(try metadata.value("nibble.qat.steps") == .uint64(400))
        #expect(try metadata.value("nibble.qat.seed") == .uint64(.max))
        #expect(try metadata.value("nibble.qat.perplexity.teacher") == .float64(21.9906))
        #expect(try metadata.value("nibble.qat.plan") == .string("q4_0"))
    }

    @Test("Reads back equal from both formats")
    func roundTrip() throws {
        var short = Self.example
        short.perplexities = [:]
        short.heldOutTextDigest = nil
        short.calibration = nil
        for provenance in [Self.example, short] {
            #expect(try Provenance(ggufMetadata: metadata(provenance), path: "a.gguf") == provenance)
            let strings = Dictionary(uniqueKeysWithValues: provenance.safetensorsEntries)
            #expect(try Provenance(safetensorsMetadata: strings, path: "a.safetensors") == provenance)
        }
        #expect(try Provenance(ggufMetadata: GGUFMetadata(), path: "a.gguf") == nil)
        #expect(try Provenance(safetensorsMetadata: ["format": "pt"], path: "a") == nil)
    }

    @Test("A second provenance takes the place of the first")
    func replaced() throws {
        var metadata = metadata(Self.example)
        var second = Self.example
        second.perplexities = ["trained": 20]
        second.heldOutTextDigest = nil
        metadata.set(second)
        #expect(try Provenance(ggufMetadata: metadata, path: "a.gguf") == second)
    }

    @Test(
        "A key of the wrong type or a missing one is an error that names it",
        arguments: [
            ("nibble.qat.steps", GGUFValue.string("many")), ("nibble.qat.steps", .int32(-1)),
            ("nibble.qat.seed", .float64(1)), ("nibble.qat.teacher.name", .uint64(1)),
            ("nibble.qat.perplexity.trained", .string("low")), ("nibble.qat.tokens", .uint64(.max)),
        ])
    func wrongType(key: String, value: GGUFValue) throws {
        var metadata = metadata(Self.example)
        metadata.set(key, value)
        let error = #expect(throws: CheckpointError.self) {
            try Provenance(ggufMetadata: metadata, path: "a.gguf")
        }
        #expect(error?.code == .malformed && error?.path == "a.gguf" && error?.subject == "key '\(key)'")
        metadata.remove(key)
        guard key != "nibble.qat.perplexity.trained" else { return }
        let missing = #expect(throws: CheckpointError.self) {
            try Provenance(ggufMetadata: metadata, path: "a.gguf")
        }
        #expect(missing?.code == .missing && missing?.subject == "key '\(key)'")
    }

    @Test("A number in safetensors that cannot be read is an error that names its key")
    func wrongNumber() {
        var strings = Dictionary(uniqueKeysWithValues: Self.example.safetensorsEntries)
        strings["nibble.qat.tokens"] = "-5"
        let error = #expect(throws: CheckpointError.self) {
            try Provenance(safetensorsMetadata: strings, path: "a.safetensors")
        }
        #expect(error?.subject == "key 'nibble.qat.tokens'")
        #expect(error?.problem.contains("'-5'") == true)
    }

    @Test("Inspection shows it, and says why where it cannot be read")
    func inspection() throws {
        let file = try GGUFFile(path: Fixtures.path("hub/qwen2.expected.gguf"))
        func inspect(_ change: (inout GGUFMetadata) -> Void) throws -> CheckpointInspection {
            var metadata = file.metadata
            change(&metadata)
            let layout = try CheckpointLayout.gguf(
                path: folder.file("a.gguf"), metadata: metadata,
                tensors: file.tensors.map { .init(name: $0.name, shape: $0.shape, type: $0.type) },
                splitSize: nil)
            try CheckpointWriter(layout, replacing: true).commit(flush: false)
            return try CheckpointInspection(path: folder.file("a.gguf"))
        }
        let none = try inspect { _ in }
        #expect(none.provenance == nil && none.provenanceProblem == nil)
        let whole = try inspect { $0.set(Self.example) }
        #expect(whole.provenance == Self.example && whole.provenanceProblem == nil)
        let part = try inspect { $0.set("nibble.qat.steps", .uint64(4)) }
        #expect(part.provenance == nil && part.provenanceProblem?.code == .missing)
    }
}
