import Foundation
import NibbleTestSupport
import Testing

/// What is left out, made up or overruled is said, whether progress is shown or not.
@Suite("Warnings of a conversion")
struct WarningTests {
    private func convert(
        _ folder: HubFolder, _ more: [String] = []
    ) throws -> (errors: String, warnings: [String], status: Int32) {
        let result = try CommandLineTool.run(
            ["convert", folder.path, "-o", folder.beside("out.gguf"), "-q", "--json", "--force"] + more)
        guard result.status == 0 else { return (result.errors, [], result.status) }
        let json = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return (result.errors, try #require(json?["warnings"] as? [String]), result.status)
    }

    @Test("stand on standard error and in JSON, each once, with names and counts")
    func places() throws {
        let folder = try HubFolder("qwen2")
        try folder.editTensors { tensors in
            guard var head = tensors.first(where: { $0.name == "model.embed_tokens.weight" }) else {
                return false
            }
            head.name = "lm_head.weight"
            head.bytes[1] ^= 1
            tensors.append(head)
            return true
        }
        try folder.editConfiguration { $0["eos_token_id"] = 5000 }
        let found = try convert(folder)
        #expect(found.errors == found.warnings.map { "warning: \($0)\n" }.joined())
        for part in [
            "'tie_word_embeddings': is true, but 'lm_head.weight' is there; it is taken as the vocabulary head",
            "10 of 320 rows of the embedding have no token, and get names: [PAD310] to [PAD319]",
        ] {
            #expect(found.warnings.count { $0.contains(part) } == 1, "\(part): \(found.warnings)")
        }
    }

    @Test("name an override that no tensor has")
    func override() throws {
        let found = try convert(
            HubFolder("llama3"), ["--tensor-type", "mystery=q8_0", "--tensor-type", "ffn_up=q8_0"])
        #expect(found.warnings.count { $0.contains("--tensor-type mystery=Q8_0 changes nothing") } == 1)
        #expect(!found.warnings.contains { $0.contains("ffn_up") })
    }

    @Test("are an error where rows of tokens would be lost, and where most rows have no token")
    func errors() throws {
        let lost = try HubFolder("llama2-spm")
        try lost.editConfiguration { $0["vocab_size"] = 390 }
        let rows = try convert(lost)
        #expect(rows.status == 1 && rows.errors.contains("'vocab_size': is 390, the embedding has 401 rows"))
        let empty = try HubFolder("qwen3")
        try empty.edit("tokenizer.json") { object in
            var model = object["model"] as? [String: Any] ?? [:]
            let vocabulary = model["vocab"] as? [String: Int] ?? [:]
            model["vocab"] = vocabulary.filter { $0.value < 100 }
            model["merges"] = ["Ġ t"]
            object["model"] = model
            object["added_tokens"] = [[String: Any]]()
        }
        let padded = try convert(empty)
        #expect(
            padded.status == 1 && padded.errors.contains("the embedding has 310 rows"), "\(padded.errors)")
    }

    @Test("A weight that F16 cannot hold is no damage, and is named as the folder names it")
    func tooLarge() throws {
        let folder = try HubFolder("llama3")
        let name = "model.layers.1.self_attn.q_proj.weight"
        try folder.editTensors { tensors in
            guard let index = tensors.firstIndex(where: { $0.name == name }) else { return false }
            // BF16 of 1e6, in row 2, column 188 of 256.
            tensors[index].bytes.replaceSubrange(
                2 * (2 * 256 + 188)..<2 * (2 * 256 + 188) + 2, with: [0x74, 0x49])
            return true
        }
        let half = try convert(folder, ["--type", "f16"])
        #expect(
            half.errors.contains(
                "model.safetensors, tensor '\(name)', row 2, column 188: is 999424, too large for F16, which ends at 65504; "
            ), "\(half.errors)")
        #expect(!half.errors.contains("damaged") && !half.errors.contains("--tensor-type"))
        let block = try convert(folder, ["--type", "q4_0"])
        #expect(
            block.errors.contains(
                "tensor '\(name)', row 2, column 188: is 999424: the scale of its block of Q4_0 would")
        )
        // Formats with a wider range take it.
        #expect(try convert(folder, ["--type", "bf16"]).status == 0)
    }

    @Test("Sizes may be written as people write them", arguments: ["40k", "40KB", "0.04M", "40000"])
    func sizes(size: String) throws {
        let folder = try HubFolder("llama3")
        let output = folder.beside("out.gguf")
        let result = try CommandLineTool.run([
            "convert", folder.path, "-o", output, "--split-max-size", size, "-q",
        ])
        #expect(result.status == 0, "\(result.errors)")
        let shards = try FileManager.default.contentsOfDirectory(atPath: folder.beside("")).filter {
            $0.hasPrefix("out-")
        }
        // As many as for 40000 bytes.
        #expect(shards.count == 5, "\(shards)")
    }
}
