import NibbleTestSupport
import Testing

@testable import NibbleTokenizer

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    private func words(_ text: String, _ preTokenizer: PreTokenizer) -> [String] {
        let bytes = Array(text.utf8)
        var words: [String] = []
        bytes.withUnsafeBufferPointer { buffer in
            ScalarView(buffer).forEachWord(preTokenizer) {
                words.append(String(decoding: buffer[$0], as: UTF8.self))
            }
        }
        return words
    }

    @Test("GPT-2 splits contractions, words with their space, numbers, and leaves the last of several spaces")
    func gpt2() {
        #expect(words("I'll don't 'RE", .gpt2) == ["I", "'ll", " don", "'t", " '", "RE"])
        #expect(words("a   b 12345?!  \n", .gpt2) == ["a", "  ", " b", " 12345", "?!", "  \n"])
        #expect(words("x\u{3000}\u{3000}é", .gpt2) == ["x", "\u{3000}", "\u{3000}", "é"])
        #expect(words(" ", .gpt2) == [" "])
        #expect(words("", .gpt2) == [])
    }

    @Test("SmolLM makes each digit a word of its own")
    func smollm() {
        #expect(words("in 2024²x", .smollm) == ["in", " ", "2", "0", "2", "4", "²", "x"])
    }

    @Test(
        "Llama 3 takes three digits, any case of contractions, one character before letters, breaks after others"
    )
    func llama3() {
        #expect(words("WE'LL (see) 12345", .llama3) == ["WE", "'LL", " (", "see", ")", " ", "123", "45"])
        #expect(words("a!\n\n  b \n c", .llama3) == ["a", "!\n\n", " ", " b", " \n", " c"])
        #expect(words("end  ", .llama3) == ["end", "  "])
        #expect(words("end ", .llama3) == ["end", " "])
    }

    @Test("Qwen 2 takes digits one by one")
    func qwen2() {
        #expect(words("a 123", .qwen2) == ["a", " ", "1", "2", "3"])
    }

    @Test("The default splits punctuation off, but not the backtick, and ASCII digits by three")
    func fallback() {
        #expect(words("it's $5+12345²", .fallback) == ["it", "'", "s", " ", "$", "5", "+", "123", "45²"])
        #expect(words("`a`!", .fallback) == ["`", "a", "`", "!"])
    }

    @Test("Names that llama.cpp takes for equal are equal")
    func names() {
        #expect(PreTokenizer(name: "llama3") == .llama3)
        #expect(PreTokenizer(name: "deepseek-r1-qwen") == .qwen2)
        #expect(PreTokenizer(name: "starcoder") == .smollm)
        #expect(PreTokenizer(name: "phi-2") == .gpt2)
        #expect(PreTokenizer(name: "default") == .fallback)
        #expect(PreTokenizer(name: "tekken") == nil)
    }
}
