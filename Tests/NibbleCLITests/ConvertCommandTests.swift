import Foundation
import NibbleTestSupport
import Testing

@Suite("nibble convert")
struct ConvertCommandTests {
    private let folder: TemporaryFolder
    private let input = Fixtures.path("hub/llama3.expected.gguf")

    init() throws { folder = try TemporaryFolder() }

    @Test("Converts, prints the result, and is silent on standard error where quiet")
    func convert() throws {
        let result = try CommandLineTool.run(["convert", input, "-o", folder.file("a.gguf"), "--quiet"])
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(result.output.contains("Q4_0"))
        #expect(try folder.names == ["a.gguf"])
    }

    @Test("Says on standard error what it is about to do, so that it can be repeated")
    func banner() throws {
        let result = try CommandLineTool.run([
            "convert", input, "-o", folder.file("a.gguf"), "--threads", "2",
        ])
        #expect(result.errors.contains("q4_0, 2 threads"))
        #expect(result.errors.contains("kernels"))
    }

    @Test("JSON on standard output is one document")
    func json() throws {
        let result = try CommandLineTool.run([
            "convert", input, "-o", folder.file("a.gguf"), "--json", "--quiet",
        ])
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        #expect(object?["architecture"] as? String == "llama")
        #expect(object?["output_bytes"] as? Int == (try contents(folder.file("a.gguf"))).count)
    }

    @Test("A plan that was saved gives the same file, and one that is edited another")
    func plan() throws {
        func run(_ options: [String], status: Int32 = 0) throws -> CommandLineTool.Result {
            let result = try CommandLineTool.run(["convert", input, "--quiet", "-o"] + options)
            #expect(result.status == status, "\(result.errors)")
            return result
        }
        let plan = folder.file("some.plan")
        _ = try run([folder.file("a.gguf"), "--type", "q4_k_m", "--save-plan", plan])
        _ = try run([folder.file("b.gguf"), "--plan", plan])
        #expect(try contents(folder.file("a.gguf")) == contents(folder.file("b.gguf")))
        let there = try run([folder.file("c.gguf"), "--dry-run", "--save-plan", plan], status: 1)
        #expect(there.errors.contains("some.plan") && there.errors.contains("--force"), "\(there.errors)")
        let text = try String(contentsOfFile: plan, encoding: .utf8)
        #expect(
            text.hasPrefix("# nibble plan\ntype q4_k_m\n") && text.contains("\nblk.0.attn_q.weight q4_k\n"))
        try text.replacing("blk.0.attn_q.weight q4_k", with: "blk.0.attn_q.weight q6_k")
            .write(toFile: plan, atomically: true, encoding: .utf8)
        let edited = try run([folder.file("c.gguf"), "--dry-run", "--plan", plan])
        #expect(edited.output.contains { $0 == "\n" } && edited.output.contains("Q6_K"), "\(edited.output)")
        let twice = try run([folder.file("c.gguf"), "--plan", plan, "--type", "q4_0"], status: 64)
        #expect(twice.errors.contains("--plan says what --type says: give one of them"), "\(twice.errors)")
        let target = try run([folder.file("d"), "--save-plan", folder.file("d.plan")], status: 1)
        #expect(target.errors.contains("a folder has one type for all matrices"), "\(target.errors)")
        #expect(try folder.names == ["a.gguf", "b.gguf", "some.plan"])
    }

    @Test("A dry run lists every tensor and writes nothing", arguments: [false, true])
    func dryRun(json: Bool) throws {
        let result = try CommandLineTool.run(
            ["convert", input, "-o", folder.file("a.gguf"), "--type", "q4_k_m", "--dry-run"]
                + (json ? ["--json"] : []))
        #expect(result.status == 0)
        #expect(result.output.contains("blk.1.ffn_down.weight"))
        #expect(result.output.contains("Q6_K"))
        #expect(try folder.names.isEmpty)
    }

    @Test("Every kernel level gives the same file")
    func kernels() throws {
        var files: [[UInt8]] = []
        for level in ["scalar", "avx2", "avx512"] {
            let result = try CommandLineTool.run(
                ["convert", input, "-o", folder.file("\(level).gguf"), "--type", "q4_k_m"],
                environment: ["NIBBLE_KERNELS": level])
            guard result.status == 0 else {
                // A machine without the level says so; the test still compares the levels it has.
                #expect(result.errors.contains(level))
                continue
            }
            #expect(result.errors.contains("\(level) kernels"))
            files.append(try contents(folder.file("\(level).gguf")))
        }
        #expect(!files.isEmpty)
        #expect(files.allSatisfy { $0 == files[0] })
        let unknown = try CommandLineTool.run(
            ["convert", input, "-o", folder.file("x.gguf")], environment: ["NIBBLE_KERNELS": "mmx"])
        #expect(unknown.status == 1 && unknown.errors.contains("mmx"))
    }

    @Test(
        "A mistake is one clear line, a non-zero status and no output",
        arguments: [
            (["convert", "missing.gguf", "-o", "OUT"], "missing.gguf"),
            (["convert", "INPUT", "-o", "/no-such-folder/a.gguf"], "no such folder"),
            (["convert", "INPUT", "-o", "INPUT", "--force"], "is the input"),
            (["convert", "INPUT", "-o", "FOLDER", "--type", "q4_0"], "safetensors cannot hold"),
            (
                ["convert", "INPUT", "-o", "OUT", "--type", "int4"],
                "GGUF files cannot hold int4; name a folder"
            ),
            (["convert", "INPUT", "-o", "FOLDER", "--type", "sfp8", "--pure"], "leave out pure"),
            (["convert", "INPUT", "-o", "FOLDER", "--pure"], "bf16 is the type of all tensors of a folder"),
            (
                ["convert", "INPUT", "-o", "FOLDER", "--type", "f16", "--tensor-type", "down=f32"],
                "f16 is the type of all tensors of a folder"
            ),
            (["convert", "INPUT", "-o", "OUT", "--imatrix", "missing.dat"], "missing.dat"),
            (["convert", "INPUT", "-o", "OUT", "--embedding-type", "q6_k", "--type", "iq9"], "iq9"),
            (["convert", "INPUT", "-o", "OUT", "--tensor-type", "("], "tensor-type"),
            (["convert", "INPUT", "-o", "OUT", "--tensor-type", "(=q4_0"], "tensor-type"),
            (["convert", "INPUT", "-o", "OUT", "--split-max-size", "0"], "split-max-size"),
            (["convert", "INPUT", "-o", "OUT", "--threads", "0"], "threads"),
            (["convert", "INPUT"], "output"),
            (["inspect", "missing"], "missing"),
            (["frobnicate"], "frobnicate"),
        ])
    func mistakes(arguments: [String], part: String) throws {
        let input = try folder.write(try contents(input), to: "input.gguf")
        let result = try CommandLineTool.run(
            arguments.map {
                switch $0 {
                case "INPUT": input
                case "OUT": folder.file("out.gguf")
                case "FOLDER": folder.file("out")
                default: $0
                }
            })
        #expect(result.status != 0)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(part), "\(result.errors)")
        #expect(try folder.names == ["input.gguf"])
        #expect(try contents(input) == contents(self.input))
    }

    @Test(
        "A folder that may not hold a quantized source's values is warned of",
        arguments: ["bf16", "f16", "f32"])
    func narrowFolder(type: String) throws {
        let (quantized, output) = (folder.file("q.gguf"), folder.file("hub"))
        #expect(try CommandLineTool.run(["convert", input, "-o", quantized, "--quiet"]).status == 0)
        let result = try CommandLineTool.run(["convert", quantized, "-o", output, "--type", type])
        #expect(result.status == 0)
        #expect(result.errors.contains("with --type f32 they are exact") == (type != "f32"))
    }

    @Test("An existing file is kept unless --force")
    func force() throws {
        let output = try folder.write([1, 2, 3], to: "a.gguf")
        let refused = try CommandLineTool.run(["convert", input, "-o", output])
        #expect(refused.status == 1 && refused.errors.contains("--force"))
        #expect(try contents(output) == [1, 2, 3])
        #expect(try CommandLineTool.run(["convert", input, "-o", output, "--force", "--quiet"]).status == 0)
        #expect(try contents(output).starts(with: Array("GGUF".utf8)))
    }

    @Test("A form is asked for by name, and must fit the output")
    func form() throws {
        let output = folder.file("mlx")
        let made = try CommandLineTool.run(["convert", input, "-o", output, "--format", "mlx", "--quiet"])
        #expect(made.status == 0 && made.output.contains("Q4_0 biases"), "\(made)")
        for (arguments, words) in [
            (
                ["-o", folder.file("a"), "--format", "mlc"],
                "expected gguf, hub, compressed-tensors, sbs, mlx"
            ),
            (["-o", folder.file("a.gguf"), "--format", "mlx"], "mlx is a folder"),
            (
                ["-o", folder.file("a"), "--format", "gguf"],
                "gguf is a file: name an output that ends in .gguf"
            ),
            (
                ["-o", folder.file("a"), "--format", "mlx", "--type", "q4_0", "--type", "q8_0"],
                "are for one type"
            ),
            (["-o", folder.file("a"), "--for", "vllm", "--format", "mlx"], "--for chooses a form"),
            (["-o", folder.file("a.gguf"), "--for", "ollama"], "--for ollama is a folder"),
            (["-o", "a", "--for", "mlx", "--install"], "--install is for --for ollama or lmstudio"),
        ] {
            let result = try CommandLineTool.run(["convert", input] + arguments)
            #expect(result.status == 64 && result.errors.contains(words), "\(result)")
        }
        // Nobody meant a form that has to be asked for.
        let guessed = try CommandLineTool.run(["convert", input, "-o", folder.file("b"), "--type", "q4_0"])
        #expect(
            guessed.status == 1 && guessed.errors.contains("--format mlx or compressed-tensors"), "\(guessed)"
        )
        let other = try CommandLineTool.run(
            ["convert", input, "-o", folder.file("c"), "--type", "q4_k_m", "--format", "mlx"])
        #expect(other.errors.contains("do not hold q4_k_m; choose q4_0, q4_1 or q8_0"), "\(other)")
    }

    @Test("Help teaches by example", arguments: [["--help"], ["convert", "--help"], ["inspect", "--help"]])
    func help(arguments: [String]) throws {
        let result = try CommandLineTool.run(arguments)
        #expect(result.status == 0)
        #expect(result.output.contains("USAGE: nibble"))
        if arguments.count == 2 { #expect(result.output.contains("EXAMPLES")) }
    }
}
