import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// What was trained, as each program reads it.
@Suite("nibble qat export --for")
struct QATConsumerTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    @Test("gives every program the codes that were trained")
    func consumers() throws {
        let teacher = Fixtures.path("hub/gemma3-text")
        try runs.run(runs.command("run", teacher: teacher, steps: 4, every: 4, ["--type", "q4_0"]))
        let trained = try ModelCheckpoint(path: runs.path("run") + "/model.gguf")
        let blocks = trained.tensors.filter { $0.role.isLinear && $0.entry.type == .q4_0 }
        #expect(blocks.count == 7 * 8)
        for program in ["mlx", "vllm"] {
            let output = runs.path(program)
            let result = try runs.run(["qat", "export", runs.path("run"), "-o", output, "--for", program])
            #expect(result.output.contains("run it: "), "\(result.output)")
            let folder = try ModelCheckpoint(path: output)
            for tensor in blocks {
                let found = try #require(folder.tensors.first { $0.role == tensor.role }).entry
                let stored = try #require(found.elements(0..<found.elementCount))
                withExtendedLifetime(stored.owner) {
                    #expect(stored.bytes.elementsEqual(tensor.entry.bytes), "\(program), \(found.name)")
                }
            }
            // And the way back.
            try runs.run(["convert", output, "-o", runs.path("back.gguf"), "--force", "--quiet"])
            let back = try ModelCheckpoint(path: runs.path("back.gguf"))
            for tensor in blocks {
                let found = try #require(back.tensors.first { $0.role == tensor.role }).entry
                #expect(found.type == .q4_0 && found.bytes.elementsEqual(tensor.entry.bytes), "\(found.name)")
            }
        }
        let file = try contents(runs.path("run") + "/model.gguf")
        for program in ["ollama", "lmstudio"] {
            try runs.run([
                "qat", "export", runs.path("run"), "-o", runs.path("me-\(program)"), "--for", program,
            ])
            #expect(try contents(runs.path("me-\(program)/me-\(program).gguf")) == file)
        }
        let refused = try CommandLineTool.run([
            "qat", "export", runs.path("run"), "-o", runs.path("x"), "--for", "llama.cpp",
        ])
        #expect(refused.status == 64 && refused.errors.contains("--for llama.cpp is a file"), "\(refused)")
    }

    @Test("gives gemma.cpp the codes of SFP8")
    func gemma() throws {
        let rates = ["--set", "optimizer.learning_rate=1e-4", "--set", "optimizer.norm_learning_rate=1e-4"]
        let teacher = Fixtures.path("hub/gemma3-text")
        try runs.run(runs.command("run", teacher: teacher, steps: 4, every: 4, ["--type", "sfp8"] + rates))
        let output = runs.path("a.sbs")
        try runs.run(["qat", "export", runs.path("run"), "-o", output, "--for", "gemma.cpp"])
        let (folder, file) = (
            try ModelCheckpoint(path: runs.path("run") + "/model"), try ModelCheckpoint(path: output)
        )
        for tensor in folder.tensors {
            let found = try #require(file.tensors.first { $0.role == tensor.role }).entry
            #expect(try found.floats() == tensor.entry.floats(), "\(tensor.entry.name)")
        }
    }
}
