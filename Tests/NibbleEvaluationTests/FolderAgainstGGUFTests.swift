import NibbleCheckpoint
import NibbleEvaluation
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

/// A hub folder and the lossless GGUF file made of it are the same model: same tokens, same perplexity. What one of
/// them cannot say is an error.
@Suite("A hub folder against its own GGUF file")
struct FolderAgainstGGUFTests {
    /// Perplexities in F32 differ by the order of sums: rows of Llama's queries and keys are permuted in GGUF.
    private static let bound = 1e-5

    /// What became of a folder.
    private enum Outcome: Equatable {
        case agrees
        /// The conversion refused it.
        case refused(String)
        /// It converts, and neither form is computed.
        case notComputed(String)
    }

    @Test("with nothing changed", arguments: Fixtures.hubNames)
    func unchanged(name: String) throws {
        #expect(try outcome(HubFolder(name)) == .agrees)
    }

    @Test("with each optional item", arguments: Fixtures.hubNames)
    func single(name: String) throws {
        var agreeing = 0
        for item in FolderItem.all {
            let folder = try HubFolder(name)
            guard try item.apply(folder) else { continue }
            let outcome = try outcome(folder, "\(name): \(item)")
            if outcome == .agrees { agreeing += 1 }
            // These must not merely be refused.
            let isHarmless = [
                "head equal", "head different", "shards without an index", "ids out of range",
                "a list of ends",
                "rope scaling linear", "rope scaling yarn", "an empty quantization_config", "rows of padding",
                "a matrix of F64", "a pad token of its own", "additional_special_tokens",
                "added_tokens_decoder with new tokens", "added_tokens.json with new tokens",
                "a context of 8 tokens", "without special_tokens_map.json", "chat_template.jinja",
            ].contains(item.description)
            if isHarmless { #expect(outcome == .agrees, "\(name): \(item)") }
        }
        #expect(agreeing > FolderItem.all.count / 3)
    }

    /// Each pair in a third of the folders: all in all of them take minutes.
    @Test("with every pair of them", .timeLimit(.minutes(15)), arguments: 0..<Fixtures.hubNames.count)
    func pairs(number: Int) throws {
        let name = Fixtures.hubNames[number]
        var (agreeing, count) = (0, 0)
        for (index, first) in FolderItem.all.enumerated() {
            for second in FolderItem.all[(index + 1)...] {
                count += 1
                guard count % 3 == number % 3 else { continue }
                let folder = try HubFolder(name)
                guard try first.apply(folder), try second.apply(folder) else { continue }
                if try outcome(folder, "\(name): \(first), \(second)") == .agrees { agreeing += 1 }
            }
        }
        #expect(agreeing > 65)
    }

    @Test("What changes the computation and is not computed is refused by name")
    func refusals() throws {
        let expected = [
            ("another type of model", "'model_type': is 'mistral'"),
            ("bidirectional attention", "'use_bidirectional_attention': is true"),
            ("rope scaling dynamic", "'rope_type': is 'dynamic'"),
            ("rope scaling yarn with other betas", "'beta_fast': is 8.0; llama.cpp takes 32"),
            ("bias of the attention's output", "'model.layers.0.self_attn.o_proj.bias': is no tensor of"),
            ("a tokenizer of Unigram", "'model.type': is 'Unigram'"),
            ("a normalizer", "'normalizer': changes the text by Lowercase"),
        ]
        for (name, message) in expected {
            let item = try #require(FolderItem.all.first { $0.description == name })
            let folder = try HubFolder("qwen2")
            try #require(try item.apply(folder))
            guard case .refused(let error) = try outcome(folder) else {
                Issue.record("\(name) is not refused")
                continue
            }
            #expect(error.contains(message), "\(error)")
        }
    }

    // MARK: - Comparison

    private func outcome(_ folder: HubFolder, _ name: String = "") throws -> Outcome {
        let file = folder.beside("lossless.gguf")
        var conversion = ConversionRequest(
            input: folder.path, output: file, plan: QuantizationPlan(.f32), threads: 1)
        conversion.replacesOutput = true
        do throws(CheckpointError) {
            try Converter(conversion).run()
        } catch {
            return .refused("\(error)")
        }
        // What is written can be read again.
        let (own, other) = (try ModelCheckpoint(path: folder.path), try ModelCheckpoint(path: file))
        try compareTokens(try Tokenizer(own), try Tokenizer(other), name)
        do throws(CheckpointError) {
            let perplexities = try [folder.path, file].map { path throws(CheckpointError) in
                let request = request([path], precision: .f32, threads: 1)
                var limited = request
                limited.chunkLimit = 2
                return try Evaluator(limited).run().pooled(model: 0).perplexity
            }
            #expect(isNear(perplexities[1], perplexities[0], within: Self.bound), "\(name): \(perplexities)")
            return .agrees
        } catch {
            // Of both or of none.
            for checkpoint in [own, other] {
                let compute = Compute(threads: 1, precision: .f32)
                let computes = (try? LanguageModel(checkpoint, compute: compute)) != nil
                let tokenizer = try Tokenizer(checkpoint)
                #expect(!computes || tokenizer.addsEnd, "\(name), \(checkpoint.path): \(error)")
            }
            return .notComputed("\(error)")
        }
    }

    private func compareTokens(_ own: Tokenizer, _ other: Tokenizer, _ name: String) throws {
        let special = own.vocabulary.tokens.filter { $0.utf8.count > 3 && $0.utf8.first != 0xC4 }.suffix(40)
        let page = String(decoding: try contents(textFile("english")), as: UTF8.self).prefix(2000)
        for text in [String(page), special.joined(separator: " x"), "a<think>b[5A]<tool_call><|pad|>c"] {
            for parses in [false, true] {
                let tokens = own.encode(text, addingSpecial: true, parsingSpecial: parses)
                let others = other.encode(text, addingSpecial: true, parsingSpecial: parses)
                #expect(tokens == others, "\(name): \(text.prefix(60))")
            }
        }
        #expect(own.endsOfGeneration == other.endsOfGeneration, "\(name)")
        #expect(own.vocabulary == other.vocabulary, "\(name)")
    }
}
