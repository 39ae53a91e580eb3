import Foundation
import NibbleCheckpoint
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleEvaluation

@Suite("Conversations of which answers are scored")
struct ConversationTests {
    private let folder: TemporaryFolder
    private let model = hubFile("llama3")

    init() throws { folder = try TemporaryFolder() }

    private typealias Turn = (role: String, content: String)

    private func line(_ turns: [Turn]) throws -> String {
        let messages = turns.map { ["role": $0.role, "content": $0.content] }
        return String(
            decoding: try JSONSerialization.data(withJSONObject: ["messages": messages]), as: UTF8.self)
    }

    private func file(_ conversations: [[Turn]], named name: String = "chats.jsonl") throws -> String {
        try folder.write(
            (try conversations.map(line).joined(separator: "\n\n") + "\n").utf8, to: name)
    }

    private let chats: [[Turn]] = [
        [("user", "Say a word."), ("assistant", "Word, and some more.")],
        [
            ("system", "Be brief."), ("user", "One?"), ("assistant", "Yes, one."), ("user", "Two?"),
            ("assistant", "No."),
        ],
        [("user", "Nothing to say?"), ("assistant", "")],
    ]

    @Test(
        "Every token of an answer counts once, with the probability that the model gives it after all before it"
    )
    func scores() throws {
        let path = try file(chats)
        let evaluator = try Evaluator(
            request([model], texts: ["talk=\(path)"], context: 512, precision: .f32))
        let text = try evaluator.run().texts[0]
        #expect(text.name == "talk")
        #expect(text.isConversations)
        #expect(text.documents.map(\.name) == ["\(path):1", "\(path):3"])
        #expect(
            evaluator.notes.map(\.description).contains {
                $0.hasSuffix("1 of 3 conversations have no answer within 512 tokens and are left out")
            }, "\(evaluator.notes)")
        let tokenizer = try Tokenizer(path: model)
        let format = try ChatFormat(tokenizer, path: model)
        let own = try LanguageModel(
            ModelCheckpoint(path: model), compute: Compute(threads: 1, precision: .f32))
        for (place, turns) in chats.prefix(2).enumerated() {
            let messages = turns.map { ChatMessage(role: $0.role, content: $0.content) }
            let chat = try format.tokens(of: Conversation(messages), tokenizer)
            var expected = 0.0
            for index in chat.tokens.indices.dropFirst() where chat.isAnswer[index] {
                let logits = try own.logits(of: chat.tokens, position: index - 1).map(Double.init)
                let largest = logits.max() ?? 0
                let sum = logits.reduce(0) { $0 + exp($1 - largest) }
                expected += largest + log(sum) - logits[Int(chat.tokens[index])]
            }
            let sums = text.documents[place].sums[0]
            #expect(sums.count == chat.isAnswer.count { $0 })
            #expect(isNear(sums.negativeLogLikelihood, expected, within: 1e-4))
        }
    }

    @Test("Worst tokens are tokens of answers, in their place, and positions are not averaged")
    func worst() throws {
        let path = try file(chats)
        let quantized = try convert(model, .q4_0, in: folder)
        let evaluator = try Evaluator(
            request([model, quantized], texts: [path], context: 512, precision: .f32))
        let evaluation = try evaluator.run()
        let tokenizer = try Tokenizer(path: model)
        let format = try ChatFormat(tokenizer, path: model)
        let worst = evaluation.worstTokens(model: 1)
        #expect(!worst.isEmpty)
        for (_, token) in worst {
            let messages = chats[token.chunk].map { ChatMessage(role: $0.role, content: $0.content) }
            let chat = try format.tokens(of: Conversation(messages), tokenizer)
            #expect(chat.isAnswer[token.position])
        }
        #expect(evaluation.tokensEvaluated == evaluator.plans[0].plan.tokens.count)
        #expect(evaluation.chunkDescription(2) == "2 conversations of 512 tokens at most")
    }

    @Test("A conversation beyond the context is cut there, and noted")
    func cut() throws {
        let path = try file(chats)
        let evaluator = try Evaluator(request([model], texts: [path], context: 40, precision: .f32))
        #expect(evaluator.notes.map(\.description).contains { $0.contains(" are cut at 40 tokens") })
        #expect(evaluator.plans[0].plan.allSatisfy { $0.tokens.count <= 40 })
        let one = try Evaluator(
            {
                var limited = request([model], texts: [path], context: 512)
                limited.chunkLimit = 1
                return limited
            }())
        #expect(one.plans[0].plan.count == 1)
    }

    @Test("ShareGPT's form is read too")
    func shareGPT() throws {
        let text =
            #"{"conversations": [{"from": "human", "value": "Say a word."}, {"from": "gpt", "value": "Word, and some more."}]}"#
        let other = try folder.write((text + "\n").utf8, to: "share.jsonl")
        let path = try file([chats[0]])
        let both = try [path, other].map {
            try evaluate(request([model], texts: [$0], context: 512, precision: .f32)).texts[0].estimates[0]
        }
        #expect(both[0] == both[1])
    }

    @Test("What cannot be scored is an error that says why")
    func errors() throws {
        func problem(_ text: String, _ change: (inout EvaluationRequest) -> Void = { _ in }) -> String {
            var asked = request([model], texts: [text], context: 512)
            change(&asked)
            do {
                _ = try Evaluator(asked)
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        let silent = try file([[("user", "Hello?")]], named: "silent.jsonl")
        #expect(problem(silent).contains("has no answer of the model within 512 tokens, in 1 conversations"))
        let path = try file(chats)
        #expect(problem(path) { $0.stride = 8 }.contains("there is no stride"))
        #expect(problem(path) { $0.savedLogits = folder.file("logits") }.contains("no conversations"))
        let broken = try folder.write(
            (try line(chats[0]) + "\n{\"messages\": []}\n").utf8, to: "broken.jsonl")
        #expect(problem(broken).contains("line 2"))
        #expect(problem(broken).contains("has no list 'messages' of turns"))
        let roles = try folder.write(
            #"{"messages": [{"role": "user"}]}"#.utf8, to: "roles.jsonl")
        #expect(problem(roles).contains("turn 1 has no 'content'"))
        try folder.makeFolder("mixed")
        _ = try folder.write("Some words.".utf8, to: "mixed/a.txt")
        _ = try folder.write((try line(chats[0])).utf8, to: "mixed/b.jsonl")
        #expect(problem(folder.file("mixed")).contains("holds documents"))
        let gemma = hubFile("gemma3-text")
        let twice = try file([[("user", "a"), ("user", "b"), ("assistant", "c")]], named: "twice.jsonl")
        let refused = problem(twice) { $0.models = [gemma] }
        #expect(refused == "no error" || refused.contains("twice.jsonl:1"))
    }
}
