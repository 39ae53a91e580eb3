import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// The vision tower of a tiny Gemma 3, and what llama.cpp's converter writes of it.
@Suite("Vision towers")
struct VisionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(
        "become the file of llama.cpp's converter, byte for byte", arguments: [GGMLType.f16, .bf16, .q8_0],
        [1, 3])
    func bytes(type: GGMLType, threads: Int) throws {
        let conversion = VisionConversion(
            try VisionTower(path: Fixtures.path("vision/gemma3-vision")), type: type)
        let summary = try conversion.write(to: folder.file("mmproj.gguf"), threads: threads)
        let expected = try contents(
            Fixtures.path("vision/gemma3-vision.\(type.description.lowercased()).gguf"))
        #expect(try contents(folder.file("mmproj.gguf")) == expected)
        #expect(summary.byteCount == expected.count && summary.tensorCount == 199)
    }

    @Test("are found under the names of newer folders, too", arguments: ["new", "old"])
    func names(name: String) throws {
        let tower = try VisionTower(path: Fixtures.path("hub/gemma3-multimodal-\(name)"))
        #expect(tower.tensors.contains { $0.name == "v.blk.0.attn_out.weight" })
        #expect(tower.tensors.contains { $0.name == "mm.input_projection.weight" })
        try VisionConversion(tower, type: .f32).write(to: folder.file("a.gguf"), threads: 1)
        let file = try GGUFCheckpoint(path: folder.file("a.gguf"))
        #expect(file.tensors.count == tower.tensors.count)
        let norm = try #require(file.tensors.first { $0.name == "mm.soft_emb_norm.weight" })
        let own = try #require(tower.tensors.first { $0.name == "mm.soft_emb_norm.weight" }).entry
        #expect(try norm.floats() == own.floats().map { $0 + 1 })
    }

    @Test(
        "are loaded by llama.cpp, which reads a picture with them",
        .enabled(if: ReferencePython.path != nil, "\(ReferencePython.hint("xllamacpp"))"),
        arguments: VisionConversion.types)
    func llama(type: GGMLType) throws {
        let source = Fixtures.path("hub/gemma3-multimodal-new")
        try VisionConversion(VisionTower(path: source), type: type).write(
            to: folder.file("mmproj.gguf"), threads: 2)
        try Converter(
            ConversionRequest(
                input: source, output: folder.file("text.gguf"), plan: QuantizationPlan(.q8_0), threads: 2)
        ).run()
        let script = Fixtures.folder + "/../../scripts/run_gguf.py"
        func run(_ arguments: [String]) throws -> Int32 {
            let python = try #require(ReferencePython.path)
            return try RealModels.run(
                python, [script, folder.file("text.gguf"), "--prompt", "the"] + arguments
            ).status
        }
        #expect(try run(["--mmproj", folder.file("mmproj.gguf")]) == 0)
        // Another file in its place is refused.
        #expect(try run(["--mmproj", folder.file("text.gguf")]) == 1)
    }

    @Test("that are missing, or of another kind, are told")
    func refused() throws {
        let none = #expect(throws: CheckpointError.self) {
            try VisionTower(path: Fixtures.path("hub/llama3"))
        }
        #expect(none?.subject == "'vision_config'" && none?.advice == "leave --mmproj out")
        let source = Fixtures.path("vision/gemma3-vision")
        let config = try String(decoding: contents(source + "/config.json"), as: UTF8.self)
        for name in ["model.safetensors", "preprocessor_config.json"] {
            try folder.write(contents(source + "/" + name), to: name)
        }
        try folder.write(
            Array(config.replacing("siglip_vision_model", with: "other").utf8), to: "config.json")
        let kind = #expect(throws: CheckpointError.self) { try VisionTower(path: folder.path) }
        #expect(kind?.problem.contains("is 'other'") == true)
        try folder.write(Array(config.replacing("\"patch_size\"", with: "\"x\"").utf8), to: "config.json")
        let field = #expect(throws: CheckpointError.self) {
            try VisionConversion(VisionTower(path: folder.path), type: .f16).write(
                to: folder.file("a.gguf"), threads: 1)
        }
        #expect(field?.subject?.contains("patch_size") == true, "\(String(describing: field))")
        try folder.write(Array(config.utf8), to: "config.json")
        try folder.write(Array("{}".utf8), to: "preprocessor_config.json")
        let colors = #expect(throws: CheckpointError.self) {
            try VisionConversion(VisionTower(path: folder.path), type: .f16).write(
                to: folder.file("a.gguf"), threads: 1)
        }
        #expect(colors?.subject == "'image_mean'")
        #expect(!FilePath.exists(folder.file("a.gguf")))
    }
}
