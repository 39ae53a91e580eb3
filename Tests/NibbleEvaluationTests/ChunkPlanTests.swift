import NibbleCheckpoint
import NibbleEvaluation
import Testing

@Suite("Texts cut as llama-perplexity cuts them")
struct ChunkPlanTests {
    private func tokens(_ count: Int) -> [Int32] { (0..<count).map { Int32($0) + 100 } }

    @Test("Chunks do not overlap, the second half is scored, the first token becomes BOS")
    func plain() throws {
        // n = 8: first = 4, positions 4, 5, 6 predict tokens 5, 6, 7. 27 tokens are 3 chunks and 3 dropped.
        let plan = try ChunkPlan(tokens: tokens(27), context: 8, bos: 1)
        #expect(plan.count == 3)
        #expect(plan.window == 8)
        #expect(plan[0].tokens == [1, 101, 102, 103, 104, 105, 106, 107])
        #expect(plan[1].tokens == [1, 109, 110, 111, 112, 113, 114, 115])
        #expect(plan[1].scored == 4..<7)
        #expect(plan[1].targets == [113, 114, 115])
        #expect(plan.count * plan.scored.count == 9)
        #expect(plan.count * plan.window == 24)
        #expect(plan.map(\.targets.count) == [3, 3, 3])
    }

    @Test("Without BOS in the vocabulary the text is left as it is")
    func withoutBOS() throws {
        let plan = try ChunkPlan(tokens: tokens(16), context: 8, bos: nil)
        #expect(plan.flatMap(\.tokens) == tokens(16))
    }

    @Test("An odd context scores one more", arguments: [(3, 1, 2), (4, 2, 3), (5, 2, 4), (511, 255, 510)])
    func odd(context: Int, first: Int, end: Int) throws {
        // n = 5: first = 2, positions 2 and 3.
        let plan = try ChunkPlan(tokens: tokens(2 * context), context: context, bos: 1)
        #expect(plan[0].scored == first..<end)
    }

    @Test("Targets are original tokens even where a context of 3 scores position 1")
    func smallest() throws {
        let plan = try ChunkPlan(tokens: tokens(6), context: 3, bos: 1)
        #expect(plan[1].tokens == [1, 104, 105])
        #expect(plan[1].targets == [105])
    }

    @Test("A limit takes the first chunks", arguments: [(1, 1), (3, 3), (4, 3)])
    func limit(limit: Int, expected: Int) throws {
        #expect(try ChunkPlan(tokens: tokens(27), context: 8, limit: limit, bos: nil).count == expected)
    }

    @Test(
        "Windows with a stride are as many and as long as llama-perplexity reported",
        arguments: [
            // context, stride, window and chunks that llama-perplexity -b CONTEXT printed for 5066 tokens
            (256, 16, 512, 285), (256, 511, 512, 9), (128, 256, 256, 0), (128, 255, 256, 19),
            (128, 300, 512, 16),
        ])
    func stridden(context: Int, stride: Int, window: Int, count: Int) throws {
        guard count > 0 else {
            // There, llama-perplexity reads the logits before the first position.
            #expect(throws: EvaluationError.invalidStride(stride: stride, largest: window - 1)) {
                _ = try ChunkPlan(tokens: tokens(5066), context: context, stride: stride, bos: 1)
            }
            return
        }
        let plan = try ChunkPlan(tokens: tokens(5066), context: context, stride: stride, bos: 1)
        #expect(plan.window == window)
        #expect(plan.count == count)
        #expect(plan.scored == window - stride - 1..<window - 1)
        #expect(plan.count * plan.scored.count == count * stride)
    }

    @Test("With a stride every token is scored once, in order, and BOS is not put in front")
    func strideCoverage() throws {
        let plan = try ChunkPlan(tokens: tokens(700), context: 240, stride: 32, bos: 1)
        // ⌈(700 - 256) / 32⌉ = 14 windows of 240 + 16 = 256; the first target is token 256 - 32 = 224.
        #expect(plan.count == 14)
        #expect(plan.flatMap(\.targets) == Array(tokens(224 + 14 * 32).dropFirst(224)))
        #expect(plan[3].tokens == Array(tokens(700)[96..<352]))
        #expect(plan.bos == nil)
    }

    @Test("A text needs two contexts")
    func tooShort() throws {
        #expect(try ChunkPlan(tokens: tokens(16), context: 8, bos: nil).count == 2)
        let error = #expect(throws: EvaluationError.textTooShort(tokens: 15, needed: 16, context: 8)) {
            _ = try ChunkPlan(tokens: tokens(15), context: 8, bos: nil)
        }
        let text = error?.checkpointError(path: "wiki.txt").description ?? ""
        #expect(
            text == "wiki.txt: has 15 tokens, 16 are needed: two contexts of 8; choose a longer text or a "
                + "smaller context")
    }

    @Test("Parameters out of range are named errors")
    func parameters() {
        #expect(throws: EvaluationError.contextTooSmall(context: 2, minimum: 3)) {
            _ = try ChunkPlan(tokens: tokens(16), context: 2, bos: nil)
        }
        #expect(throws: EvaluationError.invalidChunkLimit(0)) {
            _ = try ChunkPlan(tokens: tokens(16), context: 8, limit: 0, bos: nil)
        }
        #expect(throws: EvaluationError.invalidStride(stride: 0, largest: 7)) {
            _ = try ChunkPlan(tokens: tokens(16), context: 8, stride: 0, bos: nil)
        }
        #expect(throws: EvaluationError.self) {
            _ = try ChunkPlan(tokens: tokens(16), context: 8, stride: .max, bos: nil)
        }
        #expect(throws: EvaluationError.self) {
            _ = try ChunkPlan(tokens: tokens(16), context: .max, bos: nil)
        }
    }
}
