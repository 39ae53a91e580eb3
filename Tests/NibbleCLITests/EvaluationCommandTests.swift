import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble perplexity and nibble compare")
struct EvaluationCommandTests {
    private let folder: TemporaryFolder
    private let model = Fixtures.path("hub/llama3.expected.gguf")
    private let text = Fixtures.path("texts/english.txt")

    init() throws { folder = try TemporaryFolder() }

    /// Runs with the small text and contexts of 32 tokens.
    private func run(_ arguments: String...) throws -> CommandLineTool.Result {
        try CommandLineTool.run(arguments + ["--text", text, "-c", "32"])
    }

    private func quantized() throws -> String {
        let path = folder.file("q4_0.gguf")
        let result = try CommandLineTool.run(["convert", model, "-o", path, "--force", "--quiet"])
        try #require(result.status == 0, "\(result.errors)")
        return path
    }

    private func json(_ result: CommandLineTool.Result) throws -> JSONValue {
        try #require(result.status == 0, "\(result.errors)")
        return try parse(result.output)
    }

    private func parse(_ text: String) throws -> JSONValue {
        try Array(text.utf8).withUnsafeBytes { try JSONParser.parse($0, path: "output") }
    }

    private func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }

    // MARK: - nibble perplexity

    @Test("Prints speed and the estimate as last line, and the banner on standard error")
    func perplexity() throws {
        let result = try run("perplexity", model, "--threads", "2", "--precision", "f32")
        #expect(result.status == 0)
        let lines = lines(result.output)
        try #require(lines.count == 2)
        #expect(lines[0].hasPrefix("48 chunks of 32 tokens, f32: 1536 tokens in "))
        #expect(lines[0].hasSuffix(" tokens/s"))
        #expect(lines[1].hasPrefix("PPL = ") && lines[1].contains(" +/- "))
        #expect(
            result.errors.hasPrefix("\(model): 48 chunks of 32 tokens, precision f32: f32 products, "))
        #expect(self.lines(result.errors)[0].hasSuffix(" kernels, 2 threads"))
        #expect(try run("perplexity", model, "--quiet").errors.isEmpty)
    }

    @Test("JSON is one document with the figures of the text")
    func perplexityJSON() throws {
        let result = try run("perplexity", model, "--json", "--quiet", "--chunks", "7", "--threads", "1")
        #expect(result.errors.isEmpty)
        let json = try json(result)
        #expect(json["model"]?.text == model)
        #expect(json["context"]?.integer == 32)
        #expect(json["stride"] == .null)
        #expect(json["precision"]?.text == "auto")
        #expect(json["threads"]?.integer == 1)
        #expect(json["complete"]?.flag == true)
        #expect(json["chunks"]?.integer == 7)
        #expect(json["chunks_planned"]?.integer == 7)
        #expect(json["tokens_evaluated"]?.integer == 7 * 32)
        #expect((json["seconds"]?.real ?? 0) > 0)
        #expect((json["tokens_per_second"]?.real ?? 0) > 0)
        #expect(json["estimate"]?["scored_tokens"]?.integer == 7 * 15)
        let perplexity = try #require(json["estimate"]?["perplexity"]?.real)
        let mean = try #require(json["estimate"]?["mean_nll"]?.real)
        #expect(abs(perplexity - exp(mean)) < 1e-9 * perplexity)
        #expect((json["estimate"]?["error"]?.real ?? 0) > 0)
        let texts = try #require(json["texts"]?.elements)
        try #require(texts.count == 1)
        #expect(texts[0]["name"]?.text == text)
        #expect(texts[0]["tokens"]?.integer == 1549)
        #expect(json["divergence"] == nil)
        // The line says the same.
        let line = lines(try run("perplexity", model, "--quiet", "--chunks", "7").output).last ?? ""
        #expect(line.hasPrefix("PPL = " + String(format: "%.4f", perplexity)))
    }

    @Test("A stride is named, and scores every token once")
    func stride() throws {
        let result = try run("perplexity", model, "--stride", "16", "--json", "--quiet")
        let json = try json(result)
        #expect(json["stride"]?.integer == 16)
        #expect(json["context"]?.integer == 256)
        #expect(json["estimate"]?["scored_tokens"]?.integer == 16 * (json["chunks"]?.integer ?? 0))
        #expect(
            try run("perplexity", model, "--stride", "16", "--quiet").output
                .contains("chunks of 256 tokens, stride 16, "))
    }

    @Test("Several texts have a table above the pooled estimate")
    func texts() throws {
        let code = Fixtures.path("texts/code.txt")
        let result = try CommandLineTool.run([
            "perplexity", model, "--quiet", "-c", "32", "--text", text, code,
        ])
        let lines = lines(result.output)
        try #require(lines.count == 5, "\(result.output)")
        #expect(lines[0].hasPrefix("text ") && lines[0].hasSuffix("perplexity       +/-"))
        #expect(lines[1].hasPrefix(text) && lines[2].hasPrefix(code))
        #expect(lines[4].hasPrefix("PPL = "))
    }

    @Test("A base model and a file of its logits give the same tables")
    func base() throws {
        let quantized = try quantized()
        let logits = folder.file("a.logits")
        let saved = try run("perplexity", model, "--save-logits", logits, "--quiet")
        #expect(saved.status == 0)
        let direct = try run("perplexity", quantized, "--base", model, "--quiet")
        let file = try CommandLineTool.run(["perplexity", quantized, "--logits", logits, "--quiet"])
        for result in [direct, file] {
            #expect(result.status == 0, "\(result.errors)")
            for part in [
                "====== Perplexity statistics ======", "Mean PPL(Q)-PPL(base)", "Mean    KLD:",
                "99.0%   KLD:",
                "RMS Δp    :", "Same top p:", "48 chunks of 32 tokens",
            ] {
                #expect(result.output.contains(part), "\(part)")
            }
        }
        #expect(lines(direct.output).last == lines(file.output).last)
        let json = try json(
            CommandLineTool.run(["perplexity", quantized, "--logits", logits, "--quiet", "--json"]))
        #expect(json["divergence"]?["tokens"]?.integer == 48 * 15)
        #expect((json["divergence"]?["kl_divergence"]?["mean"]?["value"]?.real ?? 0) > 0)
        // The file is kept unless told.
        let refused = try run("perplexity", model, "--save-logits", logits, "--quiet")
        #expect(refused.status == 1 && refused.errors.contains("--force"))
        #expect(try run("perplexity", model, "--save-logits", logits, "--force", "--quiet").status == 0)
    }

    // MARK: - nibble compare

    @Test("Prints a row for each model and how the numbers came about")
    func compare() throws {
        let quantized = try quantized()
        let result = try run("compare", model, quantized, quantized, "--quiet", "--threads", "2")
        #expect(result.status == 0 && result.errors.isEmpty)
        let lines = lines(result.output)
        try #require(lines.count == 5, "\(result.output)")
        #expect(lines[0].hasPrefix("model") && lines[0].hasSuffix("same top"))
        #expect(lines[1].hasPrefix(model) && lines[1].contains("456 kB"))
        #expect(lines[2].hasPrefix(quantized))
        #expect(lines[3] == lines[2] || lines[3].contains("  0.0 %  "))
        #expect(lines[4].hasPrefix("\(text): 48 chunks of 32 tokens, auto, 2 threads, "))
    }

    @Test("Markdown is a table with a head, a rule and a row for each model")
    func markdown() throws {
        let result = try run("compare", model, try quantized(), "--markdown", "--quiet", "--chunks", "3")
        let lines = lines(result.output)
        try #require(lines.count == 5, "\(result.output)")
        #expect(lines[0].hasPrefix("| model | size | bits/weight | perplexity | difference | recovered |"))
        #expect(lines[1] == "| --- |" + String(repeating: " ---: |", count: 9))
        #expect(Set(lines[..<4].map { $0.filter { $0 == "|" }.count }) == [11])
        #expect(lines[4].contains("3 chunks of 32 tokens"))
    }

    /// Two kinds of text, one of four documents and one of three.
    private func kinds() throws -> [String] {
        try folder.makeFolder("prose")
        let bytes = try contents(text)
        for part in 0..<4 {
            try folder.write(bytes[part * 500..<(part + 1) * 500], to: "prose/\(part).txt")
        }
        let lines = (0..<3).map {
            "{\"text\": \"\(String(repeating: "let x\($0) = \($0) + y ", count: 40))\"}\n"
        }
        return ["prose=\(folder.file("prose"))", try folder.write(lines.joined().utf8, to: "code.jsonl")]
    }

    @Test("Texts of documents have intervals, each text a row, their average and the worst")
    func documents() throws {
        let (quantized, texts) = (try quantized(), try kinds())
        let result = try CommandLineTool.run(
            ["compare", model, quantized, quantized, "--text"] + texts + ["-c", "32", "--quiet"])
        try #require(result.status == 0, "\(result.errors)")
        let lines = lines(result.output)
        #expect(lines.contains("95 % intervals over 7 documents, by paired bootstrap:"))
        #expect(lines.contains { $0.hasPrefix("KLD of tokens ") && $0.hasSuffix("above 0.1 nats") })
        #expect(lines.contains { $0.hasPrefix("prose ") && $0.contains("  4  ") })
        #expect(lines.contains { $0.hasPrefix(folder.file("code.jsonl")) && $0.contains("  3  ") })
        #expect(lines.contains { $0.hasPrefix("average of texts ") && $0.contains(" to ") })
        #expect(lines.contains { $0.hasPrefix("worst ") })
        #expect(!result.output.contains("no intervals"))

        let json = try json(
            CommandLineTool.run(
                ["compare", model, quantized, quantized, "--text"] + texts + [
                    "-c", "32", "--quiet", "--json",
                ]))
        #expect(json["documents"]?.integer == 7)
        let second = try #require(json["models"]?.elements?[1])
        let interval = (second["intervals"]?["kl_divergence"]?.elements ?? []).compactMap(\.real)
        try #require(interval.count == 2)
        let mean = try #require(second["kl_divergence"]?["value"]?.real)
        #expect(interval[0] < mean && mean < interval[1])
        #expect(second["intervals"]?["recovered"] == .null)
        // A model beside itself wins back nothing, of which there is no doubt.
        let third = try #require(json["models"]?.elements?[2])
        #expect(third["recovered"]?.real == 0)
        #expect(third["intervals"]?["kl_divergence_less_first"] == .null)
        let parts = try #require(json["by_text"]?.elements)
        #expect(parts.compactMap { $0["name"]?.text } == ["prose", folder.file("code.jsonl")])
        #expect(parts.compactMap { $0["documents"]?.integer } == [4, 3])
        let means = parts.compactMap { $0["models"]?.elements?[1]["kl_divergence"]?["value"]?.real }
        try #require(means.count == 2)
        let average = try #require(second["text_average"])
        let value = try #require(average["kl_divergence"]?.real)
        #expect(abs(value - (means[0] + means[1]) / 2) < 1e-12)
        #expect(average["worst_kl_divergence"]?["value"]?.real == means.max())
    }

    @Test("The perplexity of texts of documents has an interval over them")
    func perplexityOfDocuments() throws {
        let arguments = try ["perplexity", model, "--text"] + kinds() + ["-c", "32", "--quiet"]
        let result = try CommandLineTool.run(arguments)
        #expect(
            lines(result.output).contains { $0.hasPrefix("95 % intervals over 7 documents: perplexity ") },
            "\(result.output)")
        let json = try json(CommandLineTool.run(arguments + ["--json"]))
        let interval = (json["intervals"]?["perplexity"]?.elements ?? []).compactMap(\.real)
        let value = try #require(json["estimate"]?["perplexity"]?.real)
        #expect(json["documents"]?.integer == 7)
        #expect(interval.count == 2 && interval[0] < value && value < interval[1])
    }

    @Test("A text of one document among several says that there are no intervals")
    func oneDocument() throws {
        let result = try CommandLineTool.run(
            ["compare", model, try quantized(), "--text", text, try kinds()[0], "-c", "32", "--quiet"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(
            result.output.contains("no intervals over documents: they take two in each text and 5 in all"))
        #expect(result.output.contains("\(text) is one document"))
    }

    @Test("Against a second model divergences are those of a comparison with it")
    func second() throws {
        let (quantized, texts) = (try quantized(), try kinds())
        func compare(_ arguments: String...) throws -> JSONValue {
            try json(
                CommandLineTool.run(
                    ["compare"] + arguments + ["-c", "32", "--quiet", "--json", "--text"] + texts))
        }
        let both = try compare(model, quantized, "--also-against", quantized)
        let turned = try compare(quantized, model)
        #expect(both["second_base"]?.text == "q4_0.gguf")
        let models = try #require(both["models"]?.elements)
        try #require(models.count == 2)
        let expected = try #require(turned["models"]?.elements?[1]["kl_divergence"])
        #expect(models[0]["kl_divergence_from_second"] == expected)
        #expect(models[0]["kl_divergence"] == .null && models[1]["kl_divergence_from_second"] == .null)
        #expect(
            models[0]["intervals"]?["kl_divergence_from_second"]
                == turned["models"]?.elements?[1]["intervals"]?["kl_divergence"])
        // A model that is none of the others has a row.
        let third = try compare(model, quantized, "--also-against", try copy(of: quantized))
        #expect(third["models"]?.elements?.count == 3)
        #expect(third["models"]?.elements?[1]["kl_divergence_from_second"]?["value"]?.real == 0)
    }

    private func copy(of path: String) throws -> String {
        try folder.write(contents(path), to: "copy.gguf")
    }

    @Test("Several contexts are one comparison after the other")
    func contexts() throws {
        let quantized = try quantized()
        let arguments = ["compare", model, quantized, "--text", text, "--context", "32", "64", "--quiet"]
        let result = try CommandLineTool.run(arguments)
        let lines = lines(result.output)
        #expect(lines.count(where: { $0.hasSuffix(" tokens of context") }) == 2)
        #expect(lines.first == "32 tokens of context" && lines.contains("64 tokens of context"))
        let json = try json(CommandLineTool.run(arguments + ["--json"]))
        #expect(json["contexts"]?.elements?.compactMap { $0["context"]?.integer } == [32, 64])
    }

    @Test("JSON of a comparison has the models in order, nulls where the base has no figure")
    func compareJSON() throws {
        let quantized = try quantized()
        let result = try run("compare", model, quantized, quantized, "--json", "--quiet")
        let json = try json(result)
        #expect(json["texts"]?.elements?.map(\.text) == [text])
        #expect(json["chunks_planned"]?.integer == 48)
        #expect(json["complete"]?.flag == true)
        let models = try #require(json["models"]?.elements)
        #expect(models.map { $0["name"]?.text } == [model, quantized, quantized])
        for key in ["difference", "recovered", "kl_divergence", "kl_divergence_p99", "same_top"] {
            #expect(models[0][key] == .null, "\(key)")
        }
        for key in ["perplexity", "difference", "kl_divergence", "same_top"] {
            #expect(models[1][key]?["value"]?.real?.isFinite == true, "\(key)")
            #expect(models[1][key]?["error"]?.real?.isFinite == true, "\(key)")
        }
        #expect(models[1]["recovered"] == .null)
        #expect(models[1]["chunks"]?.integer == 48)
        #expect(models[2]["perplexity"] == models[1]["perplexity"])
        #expect((models[1]["bits_per_weight"]?.real ?? 0) < (models[0]["bits_per_weight"]?.real ?? 0))
    }

    // MARK: - Mistakes

    @Test(
        "Wrong use says so and exits with 64",
        arguments: [
            (["perplexity"], "model"), (["perplexity", "MODEL"], "--text"),
            (["perplexity", "MODEL", "--logits", "a", "--text", "TEXT"], "--logits"),
            (["perplexity", "MODEL", "--logits", "a", "--stride", "4"], "--stride"),
            (["perplexity", "MODEL", "--logits", "a", "--base", "MODEL"], "--base"),
            (["perplexity", "MODEL", "--text", "TEXT", "TEXT", "--save-logits", "a"], "one --text"),
            (["perplexity", "MODEL", "--text", "TEXT", "--save-logits", "a", "--base", "MODEL"], "--base"),
            (["perplexity", "MODEL", "--text", "TEXT", "--save-logits", "a", "--stride", "4"], "--stride"),
            (["perplexity", "MODEL", "--text", "TEXT", "--context", "0"], "--context"),
            (["perplexity", "MODEL", "--text", "TEXT", "--context", "32", "64"], "compare"),
            (["perplexity", "MODEL", "--text", "TEXT", "--chunks", "0"], "--chunks"),
            (["perplexity", "MODEL", "--text", "TEXT", "--threads", "0"], "--threads"),
            (["perplexity", "MODEL", "--text", "TEXT", "--precision", "f8"], "precision"),
            (["compare", "MODEL", "--text", "TEXT"], "models"), (["compare", "MODEL", "MODEL"], "--text"),
            (["compare", "MODEL", "MODEL", "--text", "TEXT", "--json", "--markdown"], "exclude"),
        ])
    func usage(arguments: [String], part: String) throws {
        let result = try CommandLineTool.run(arguments.map { ["MODEL": model, "TEXT": text][$0] ?? $0 })
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(part), "\(result.errors)")
    }

    @Test(
        "What cannot be done is one line on standard error and exits with 1",
        arguments: [
            (["perplexity", "missing.gguf", "--text", "TEXT"], "missing.gguf"),
            (["perplexity", "MODEL", "--text", "missing.txt"], "missing.txt"),
            (["perplexity", "MODEL", "--text", "FOLDER"], "is in a folder of text"),
            (["compare", "MODEL", "MODEL", "--text", "kind=missing.txt"], "missing.txt"),
            (["perplexity", "MODEL", "--text", "EMPTY"], "tokens"),
            (["perplexity", "MODEL", "--text", "TEXT", "-c", "2000"], "smaller context"),
            (["perplexity", "MODEL", "--text", "TEXT", "-c", "2"], "larger context"),
            (["perplexity", "MODEL", "--text", "TEXT", "-c", "32", "--stride", "256"], "stride"),
            (["perplexity", "MODEL", "--text", "TEXT", "-c", "32", "--stride", "0"], "stride"),
            (["perplexity", "MODEL", "--logits", "missing.logits"], "missing.logits"),
            (["perplexity", "MODEL", "--logits", "TEXT"], "_logits_"),
            (["perplexity", "MODEL", "--logits", "LOGITS"], "vocabulary"),
            (["perplexity", "MODEL", "--base", "GEMMA", "--text", "TEXT", "-c", "32"], "tokenizer"),
            (["compare", "MODEL", "GEMMA", "--text", "TEXT", "-c", "32"], "tokenizer"),
            (["compare", "MODEL", "missing.gguf", "--text", "TEXT"], "missing.gguf"),
        ])
    func failures(arguments: [String], part: String) throws {
        let paths = [
            "MODEL": model, "TEXT": text, "FOLDER": folder.path, "EMPTY": try folder.write([], to: "empty"),
            "GEMMA": Fixtures.path("hub/gemma3-text.expected.gguf"),
            "LOGITS": Fixtures.path("perplexity/llama2-spm.logits"),
        ]
        let result = try CommandLineTool.run(arguments.map { paths[$0] ?? $0 })
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        let lines = lines(result.errors)
        #expect(lines.count == 1 && lines[0].hasPrefix("nibble: "), "\(result.errors)")
        #expect(result.errors.contains(part), "\(result.errors)")
    }

    @Test("Help teaches by example", arguments: ["perplexity", "compare"])
    func help(command: String) throws {
        let result = try CommandLineTool.run([command, "--help"])
        #expect(result.status == 0)
        #expect(result.output.contains("EXAMPLES"))
    }

    // MARK: - Interrupts

    /// A text that takes the small model many seconds.
    private func longText() throws -> String {
        let bytes = try contents(text)
        return try folder.write(Array([[UInt8]](repeating: bytes, count: 400).joined()), to: "long.txt")
    }

    @Test(
        "An interrupt prints the estimate so far and exits with 130", .timeLimit(.minutes(2)),
        arguments: [["perplexity"], ["perplexity", "--json"], ["compare"]])
    func interrupted(command: [String]) throws {
        let models = command[0] == "compare" ? [model, try quantized()] : [model]
        let logits = folder.file("a.logits")
        let saving = command == ["perplexity"] ? ["--save-logits", logits] : []
        let process = CommandLineTool.process(
            command + models + saving + ["--text", try longText(), "--threads", "1", "--precision", "f32"])
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // The banner comes when all is open.
        var banner = Data()
        while !banner.contains(UInt8(ascii: "\n")) {
            let data = errors.fileHandleForReading.availableData
            try #require(!data.isEmpty, "ended without a banner")
            banner += data
        }
        Thread.sleep(forTimeInterval: 1)
        kill(process.processIdentifier, SIGINT)
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 130)
        if command.contains("--json") {
            let json = try parse(text)
            #expect(json["complete"]?.flag == false)
            let done = try #require(json["chunks"]?.integer)
            #expect(done > 0 && done < (json["chunks_planned"]?.integer ?? 0))
            #expect(json["estimate"]?["scored_tokens"]?.integer == 255 * done)
        } else if command[0] == "compare" {
            #expect(text.contains("stopped early"))
            #expect(text.contains(" chunks)"))
        } else {
            let lines = lines(text)
            #expect(lines.last?.hasPrefix("PPL = ") == true, "\(text)")
            #expect(lines.contains { $0.hasPrefix("stopped after ") })
            #expect(try folder.names == ["long.txt"])
        }
    }
}
