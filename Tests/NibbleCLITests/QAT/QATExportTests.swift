import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("nibble qat export")
struct QATExportTests {
    private let runs: QATRuns
    /// 256 features, as the K types need them; rows as in the file.
    private let wide = Fixtures.path("hub/llama3.expected.gguf")

    init() throws { runs = try QATRuns() }

    /// Compares an exported file with the saved state it was made from, and with a plain conversion of the rest.
    private func check(
        _ exported: String, run: String, step: Int, teacher: String, type: String, pure: Bool = false
    ) throws {
        let plain = runs.path("plain-\(type).gguf")
        try runs.run(
            ["convert", teacher, "-o", plain, "--type", type, "--quiet", "--force"] + (pure ? ["--pure"] : [])
        )
        let untrained = try QATRuns.tensors(plain)
        let number = String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
        let saved = try SavedCheckpoint(path: runs.path(run) + "/checkpoints/step-\(number).safetensors")
        let masters = Dictionary(uniqueKeysWithValues: saved.tensors.map { ($0.name, $0) })
        let file = try GGUFFile(path: exported)
        #expect(Set(file.tensors.map(\.name)) == Set(untrained.keys))
        var changed = 0
        for tensor in file.tensors {
            guard let master = masters[tensor.name] else {
                #expect(Array(tensor.bytes) == untrained[tensor.name], "\(tensor.name)")
                continue
            }
            let values = master.bytes.withMemoryRebound(to: Float.self) { Array($0) }
            let codec = try #require(tensor.type.codec)
            let size = try #require(tensor.type.byteCount(elements: values.count))
            var blocks = [UInt8](repeating: 0, count: size)
            var span = blocks.mutableSpan
            var raw = span.mutableBytes
            try codec.encode(values.span, columns: tensor.columns, into: &raw)
            #expect(Array(tensor.bytes) == blocks, "\(tensor.name) as \(tensor.type)")
            if blocks != untrained[tensor.name] { changed += 1 }
        }
        withExtendedLifetime(saved) {}
        #expect(changed > masters.count / 6, "\(changed) tensors were changed by training")
    }

    @Test(
        "writes the blocks of the saved weights, and everything else as a conversion does",
        arguments: ["q4_0", "q4_1", "q5_0", "q8_0", "q4_k_m", "q6_k", "iq4_nl"])
    func blocks(type: String) throws {
        try runs.run(runs.command("run", teacher: wide, steps: 12, every: 6, ["--type", type]))
        try check(runs.path("run") + "/model.gguf", run: "run", step: 12, teacher: wide, type: type)
        // The same at any time, and of any state.
        let output = runs.path("again.gguf")
        try runs.run(["qat", "export", runs.path("run"), "-o", output, "--quiet"])
        #expect(try contents(output) == contents(runs.path("run") + "/model.gguf"))
        try runs.run(["qat", "export", runs.path("run"), "-o", output, "--state", "6", "--force"])
        try check(output, run: "run", step: 6, teacher: wide, type: type)
    }

    @Test(
        "writes a hub folder where GGUF has no type, whose values another folder of F32 holds",
        arguments: ["int4", "int4_32", "sfp8"])
    func folders(type: String) throws {
        let rates = ["--set", "optimizer.learning_rate=1e-4", "--set", "optimizer.norm_learning_rate=1e-4"]
        let trained = try runs.run(runs.command("run", steps: 8, every: 4, ["--type", type] + rates))
        #expect(trained.errors.contains(" to \(type): 8 steps"))
        #expect(try runs.status()["type"] as? String == type)
        let written = try HubTensors(folder: runs.path("run") + "/model")
        #expect(written.metadata["nibble.qat.plan"] == type)
        try runs.run(["qat", "export", runs.path("run"), "-o", runs.path("again"), "--quiet"])
        #expect(try HubTensors(folder: runs.path("again")).tensors == written.tensors)
        let report = try runs.run(
            ["qat", "export", runs.path("run"), "-o", runs.path("f32"), "--type", "f32", "--quiet"])
        #expect(report.output.contains("trained blocks are the same when quantized again"))
        try runs.run(["convert", runs.path("f32"), "-o", runs.path("back"), "--type", type, "--quiet"])
        #expect(try HubTensors(folder: runs.path("back")).tensors == written.tensors)
        let error = try CommandLineTool.run(["qat", "export", runs.path("run"), "-o", runs.path("a.gguf")])
        #expect(error.status == 1 && error.errors.contains("GGUF files cannot hold \(type); name a folder"))
    }

    @Test(
        "writes the blocks of a hub folder's weights",
        arguments: ["gemma3-text", "qwen3", "gemma3-multimodal-new"])
    func hub(name: String) throws {
        let teacher = Fixtures.path("hub/" + name)
        try runs.run(runs.command("run", teacher: teacher, steps: 12, every: 6))
        try check(runs.path("run") + "/model.gguf", run: "run", step: 12, teacher: teacher, type: "q4_0")
    }

    @Test(
        "writes trained norms, biases and embeddings",
        arguments: ["hub/gemma3-text", "hub/qwen2.expected.gguf"])
    func allParameters(name: String) throws {
        let teacher = Fixtures.path(name)
        try runs.run(
            runs.command(
                "run", teacher: teacher, steps: 12, every: 6,
                ["--set", "train.parameters=linear, norms, embedding"]))
        let exported = runs.path("run") + "/model.gguf"
        try check(exported, run: "run", step: 12, teacher: teacher, type: "q4_0")
        let (trained, plain) = (
            try QATRuns.tensors(exported), try QATRuns.tensors(runs.path("plain-q4_0.gguf"))
        )
        for name in ["output_norm.weight", "blk.0.attn_norm.weight", "token_embd.weight"] {
            let bytes = try #require(trained[name])
            #expect(bytes != plain[name], "\(name)")
        }
    }

    @Test("Pure Q4_0 survives the way through a folder of F32", arguments: ["gemma3-text", "smollm2"])
    func roundTrip(name: String) throws {
        try runs.run(
            runs.command(
                "run", teacher: Fixtures.path("hub/" + name), ["--set", "quantization.pure=true"]))
        let exported = runs.path("run") + "/model.gguf"
        let (hub, back) = (runs.path("hub"), runs.path("back.gguf"))
        try runs.run(["convert", exported, "-o", hub, "--type", "f32", "--quiet"])
        try runs.run(["convert", hub, "-o", back, "--type", "q4_0", "--pure", "--quiet"])
        #expect(try QATRuns.tensors(back) == QATRuns.tensors(exported))
    }

    @Test(
        "A folder that is exported converts to the exported file's tensors",
        arguments: ["gemma3-text", "smollm2"])
    func folder(name: String) throws {
        try runs.run(runs.command("run", teacher: Fixtures.path("hub/" + name)))
        let (hub, back) = (runs.path("hub"), runs.path("back.gguf"))
        let result = try runs.run(["qat", "export", runs.path("run"), "-o", hub, "--quiet"])
        #expect(result.output.contains("\(hub): "))
        try runs.run(["convert", hub, "-o", back, "--type", "q4_0", "--quiet"])
        #expect(try QATRuns.tensors(back) == QATRuns.tensors(runs.path("run") + "/model.gguf"))
    }

    @Test("keeps an existing file unless --force")
    func force() throws {
        try runs.run(runs.command("run", steps: 5))
        let output = try runs.folder.write([1, 2, 3], to: "kept.gguf")
        let refused = try CommandLineTool.run(["qat", "export", runs.path("run"), "-o", output])
        #expect(refused.status == 1 && refused.errors.contains("--force"))
        #expect(try contents(output) == [1, 2, 3])
    }

    @Test("finds a teacher that has moved where it is told")
    func movedTeacher() throws {
        let (old, new) = (runs.path("old"), runs.path("new"))
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/gemma3-text"), toPath: old)
        try runs.run(runs.command("run", teacher: old, steps: 5))
        try FileManager.default.moveItem(atPath: old, toPath: new)
        let lost = try CommandLineTool.run([
            "qat", "export", runs.path("run"), "-o", runs.path("a.gguf"), "-q",
        ])
        #expect(lost.status == 1)
        #expect(lost.errors.hasPrefix("nibble: \(old): "), "\(lost.errors)")
        try runs.run(["qat", "export", runs.path("run"), "-o", runs.path("a.gguf"), "-q", "--teacher", new])
        #expect(try QATRuns.tensors(runs.path("a.gguf")) == QATRuns.tensors(runs.path("run") + "/model.gguf"))
    }

    @Test(
        "llama.cpp loads what is exported and continues a text with it",
        .enabled(
            if: ReferencePython.path != nil, "\(ReferencePython.hint("xllamacpp"))"),
        arguments: ["gemma3-text", "llama3", "qwen3"])
    func llama(name: String) throws {
        let python = try #require(ReferencePython.path)
        try runs.run(
            runs.command(
                "run", teacher: Fixtures.path("hub/" + name), ["--set", "train.parameters=linear, norms"]))
        let script = Fixtures.folder + "/../../scripts/run_gguf.py"
        let result = try RealModels.run(
            python, [script, runs.path("run") + "/model.gguf", "--prompt", "The capital", "--tokens", "8"])
        #expect(result.status == 0)
        #expect(result.output.contains { !$0.isWhitespace })
    }
}
