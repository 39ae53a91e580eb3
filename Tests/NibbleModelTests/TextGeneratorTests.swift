import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Generated texts")
struct TextGeneratorTests {
    private func generator(_ name: String = "hub/llama2-spm") throws -> TextGenerator {
        try TextGenerator(path: Fixtures.path(name), threads: 2)
    }

    @Test("What is streamed is what the tokens stand for, whatever the seed")
    func streaming() throws {
        let generator = try generator()
        let prompt = try generator.tokens(prompt: "Hello wörld", isChat: false)
        for seed in 0..<5 as Range<UInt64> {
            var streamed: [UInt8] = []
            let result = try generator.generate(
                prompt, limit: 40, options: SamplingOptions(topK: 0, topP: 1, seed: seed),
                output: { streamed += $0 })
            #expect(result.promptTokens == prompt.count)
            #expect(streamed == result.tokens.flatMap { Array(generator.tokenizer.bytes(of: $0)) })
            #expect(result.reason == .length ? result.tokens.count == 40 : result.reason == .end)
            let again = try generator.generate(
                prompt, limit: 40, options: SamplingOptions(topK: 0, topP: 1, seed: seed))
            #expect(again.tokens == result.tokens)
        }
    }

    @Test("Generation stops when asked to, and where the context is full")
    func stopping() throws {
        let generator = try generator()
        let prompt = try generator.tokens(prompt: "Hello", isChat: false)
        var asked = 0
        let stopped = try generator.generate(
            prompt, limit: 40, options: SamplingOptions(temperature: 0),
            isCancelled: {
                asked += 1
                return asked > 3
            })
        #expect(stopped.reason == .stopped && stopped.tokens.count == 3)
        let context = generator.model.configuration.contextLength
        let long = [Int32](repeating: prompt[prompt.count - 1], count: context - 1)
        let full = try generator.generate(long, limit: 40, options: SamplingOptions(temperature: 0))
        #expect(full.tokens.count <= 1)
    }

    @Test("An empty prompt, one beyond the context, and a chat without template are errors")
    func errors() throws {
        let generator = try generator()
        #expect(throws: CheckpointError.self) { try generator.generate([], limit: 1) }
        let context = generator.model.configuration.contextLength
        #expect(throws: CheckpointError.self) {
            try generator.generate([Int32](repeating: 1, count: context + 1), limit: 1)
        }
        var vocabulary = generator.tokenizer.vocabulary
        vocabulary.chatTemplates = []
        let silent = TextGenerator(
            model: generator.model, tokenizer: try Tokenizer(vocabulary, path: generator.model.path))
        let error = #expect(throws: CheckpointError.self) {
            try silent.tokens(prompt: "Hello", isChat: true)
        }
        #expect(error?.description.contains("chat template") == true)
    }

    @Test("Characters come out whole, and invalid bytes at once or in the end")
    func characters() {
        var buffer = CharacterBuffer()
        #expect(buffer.append([0x61, 0xC3]) == [0x61])
        #expect(buffer.append([0xA9]) == [0xC3, 0xA9])
        #expect(buffer.append([0xF0, 0x9F]) == [])
        #expect(buffer.append([0x98]) == [])
        #expect(buffer.append([0x80, 0xE2]) == [0xF0, 0x9F, 0x98, 0x80])
        #expect(buffer.rest == [0xE2])
        #expect(buffer.append([0x61]) == [0xE2, 0x61])
        #expect(buffer.append([0x80, 0x80, 0x80, 0x80]) == [0x80, 0x80, 0x80, 0x80])
        #expect(buffer.append([]) == [])
    }
}
