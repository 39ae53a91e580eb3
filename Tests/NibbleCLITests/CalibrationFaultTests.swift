import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("nibble convert --calibrate, of what cannot be")
struct CalibrationFaultTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    /// A copy of a folder of one shard in BF16 in which `change` sets values of a tensor.
    private func damaged(
        _ model: String, _ tensor: String, _ change: (_ row: Int, _ column: Int, _ value: Float) -> Float
    ) throws -> String {
        let folder = runs.path("damaged")
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/" + model), toPath: folder)
        let path = folder + "/model.safetensors"
        let entry = try #require(try SafetensorsFile(path: path).tensors.first { $0.name == tensor })
        var bytes = try contents(path)
        for index in 0..<entry.range.count / 2 {
            let place = entry.range.lowerBound + 2 * index
            let value = Half.float(bf16: UInt16(bytes[place]) | UInt16(bytes[place + 1]) << 8)
            let changed = change(index / entry.columns, index % entry.columns, value)
            let bits = UInt16(changed.bitPattern >> 16)
            (bytes[place], bytes[place + 1]) = (UInt8(bits & 0xFF), UInt8(bits >> 8))
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return folder
    }

    @Test("What cannot be is an error that says why")
    func errors() throws {
        let short = try runs.error(runs.calibration("out.gguf", ["--sequences", "1000"]))
        #expect(short.contains("1000 to calibrate on and 16 to measure on need 65024 tokens"), "\(short)")
        for (output, name) in [("out.gguf", "bf16"), ("out", "sfp8")] {
            let type = try runs.error(runs.calibration(output, ["--type", name]))
            #expect(
                type.contains("\(name) has no codes and scales to calibrate; choose one of q4_0, q4_1, "),
                "\(type)")
        }
        let memory = try runs.error(runs.calibration("out.gguf", ["--memory", "10M"]))
        #expect(memory.contains("10.0 MB may be used; raise --memory"), "\(memory)")
        for (options, problem) in [
            (["--method", "gptq+magic"], "'magic' is no method; there are all, nearest"),
            (["--method", "yaqa"], "yaqa is for gptq, which is missing: gptq+yaqa"),
            (["--method", "gptq+yaqa"], "yaqa needs the gradients of guidedquant"),
            (["--quality", "best", "--sequences", "3"], "--quality says how many sequences"),
            (["--sequence-length", "1"], "--sequence-length is 1, expected 2 to 1000000"),
        ] {
            let result = try CommandLineTool.run(runs.calibration("out.gguf", options))
            #expect(result.status == 64 && result.errors.contains(problem), "\(result.errors)")
        }
        let needy = try CommandLineTool.run([
            "convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path("out.gguf"), "--sequences", "3",
        ])
        #expect(needy.errors.contains("--sequences is for a calibration: name a text with --calibrate TEXT"))
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("A weight that is not a number is named by tensor, row and column")
    func weight() throws {
        let name = "model.layers.3.mlp.up_proj.weight"
        let folder = try damaged("gemma3-text", name) { $0 == 5 && $1 == 7 ? .nan : $2 }
        let text = try runs.error(runs.calibration("out.gguf", model: folder))
        #expect(text.contains("tensor '\(name)', row 5, column 7: is NaN"), "\(text)")
        #expect(try !runs.folder.names.contains("out.gguf"))
    }

    @Test(
        "An activation that is not finite is named by the matrix that meets it, token and column",
        arguments: [[], ["--method", "gptq"]])
    func activation(method: [String]) throws {
        let norm = try damaged("llama3", "model.layers.1.post_attention_layernorm.weight") {
            $1 == 9 ? 3e38 : $2
        }
        let infinite = try runs.error(runs.calibration("out.gguf", model: norm, method))
        #expect(
            infinite.contains(
                "tensor 'model.layers.1.mlp.gate_proj.weight': its input is infinite at token "),
            "\(infinite)")
        #expect(
            infinite.contains(" of sequence 0 of the calibration text, column 9; weights or norms before it"))
        // The scores of the first token with itself are one score, whatever it is.
        let scores = try damaged("llama3", "model.layers.0.input_layernorm.weight") { $2 * 1e25 }
        let undefined = try runs.error(
            runs.calibration("out.gguf", model: scores, method + ["--scratch", runs.path("b")]))
        #expect(
            undefined.contains(
                "tensor 'model.layers.0.self_attn.o_proj.weight': its input is NaN at token 1 of sequence 0"),
            "\(undefined)")
        #expect(try !runs.folder.names.contains("out.gguf"))
    }

    @Test("Matrices whose input Hessian has no factor are rounded to nearest, which is said and counted")
    func factorless() throws {
        let folder = try damaged("llama3", "model.layers.1.input_layernorm.weight") { _, _, _ in 0 }
        let result = try runs.run(runs.calibration("out.gguf", model: folder, ["--json"]))
        let report = try runs.calibrationReport(result)
        let methods = try #require(report["methods"] as? [String: String])
        let names = ["q", "k", "v"].map { "blk.1.attn_\($0).weight" }
        let nearest = "nearest, no gptq: its inputs are all zero"
        #expect(Set(methods.filter { $0.value == nearest }.keys) == Set(names), "\(methods)")
        #expect(
            result.errors.contains("3 matrices are rounded to nearest, without GPTQ")
                && result.errors.contains("its inputs are all zero"), "\(result.errors)")
        let found = try ModelCheckpoint(path: runs.path("out.gguf")).provenance()
        let recorded = try #require(found?.calibration).methods
        #expect(Set(recorded.filter { $0.methods == nearest }.map(\.tensor)) == Set(names), "\(recorded)")
    }

    @Test("A scratch folder that fills up is an error, from which the same command goes on to the same bytes")
    func full() throws {
        let whole = runs.calibration("whole.gguf")
        try runs.run(whole)
        let more = runs.calibration("out.gguf", ["--scratch", runs.path("scratch")])
        // In blocks of 1024 bytes: a file that would grow beyond is refused as one on a full disk is.
        let limited = try CommandLineTool.shell(
            "trap '' XFSZ; ulimit -f 400; exec \"$NIBBLE\" \"$@\"", more)
        #expect(
            limited.status == 1 && limited.errors.contains("scratch/streams: cannot write: ")
                && limited.errors.contains("run the same command again, which goes on from here"),
            "\(limited)")
        #expect(try runs.folder.names == ["scratch", "text.txt", "whole.gguf"])
        try runs.run(more)
        #expect(try contents(runs.path("out.gguf")) == contents(runs.path("whole.gguf")))
    }
}
