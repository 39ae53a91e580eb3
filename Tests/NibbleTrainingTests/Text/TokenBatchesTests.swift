import NibbleTokenizer
import Testing

@testable import NibbleTraining

@Suite("Token batches")
struct TokenBatchesTests {
    private func batches(_ count: Int, perStep: Int, seed: UInt64 = 1) throws -> TokenBatches {
        let text = try TokenSequences(
            stream: Array(0..<Int32(2 * count)), beginning: nil, sequenceLength: 2, name: "a")
        return try TokenBatches(text, sequencesPerStep: perStep, seed: seed)
    }

    @Test("go through every sequence once an epoch, in another order each time", arguments: [1, 2, 7, 100])
    func epochs(count: Int) throws {
        let batches = try batches(count, perStep: 1)
        let orders = (0..<4).map { epoch in
            (0..<count).flatMap { batches.indices(step: epoch * count + $0) }
        }
        for order in orders { #expect(order.sorted() == Array(0..<count)) }
        if count > 2 { #expect(Set(orders).count == 4) }
    }

    @Test("are the same whatever the size of a step")
    func sizes() throws {
        let one = try batches(10, perStep: 1)
        let three = try batches(10, perStep: 3)
        // Step 3 of three sequences reaches into the second epoch.
        #expect((0..<30).flatMap { one.indices(step: $0) } == (0..<10).flatMap { three.indices(step: $0) })
        #expect(three.batch(step: 3).map { $0[0] / 2 } == three.indices(step: 3).map(Int32.init))
    }

    @Test("depend on seed and step alone")
    func determinism() throws {
        // As SplitMix64, Fisher-Yates and Lemire's method give them, computed apart from this code.
        #expect(
            try (0..<10).flatMap { try batches(10, perStep: 1).indices(step: $0) } == [
                1, 7, 5, 4, 6, 0, 9, 2, 8, 3,
            ])
        #expect(
            try (10..<20).flatMap { try batches(10, perStep: 1).indices(step: $0) } == [
                7, 9, 2, 4, 3, 1, 8, 6, 0, 5,
            ])
        #expect(
            try (0..<10).flatMap { try batches(10, perStep: 1, seed: 2).indices(step: $0) } == [
                9, 8, 7, 0, 3, 6, 5, 1, 2, 4,
            ])
    }

    @Test("draw every order about equally often")
    func fairness() throws {
        var counts: [[Int]: Int] = [:]
        for seed in 0..<6000 {
            counts[try batches(3, perStep: 3, seed: UInt64(seed)).indices(step: 0), default: 0] += 1
        }
        #expect(counts.count == 6)
        // 1000 expected, standard deviation 29: five of them.
        for count in counts.values { #expect(abs(count - 1000) < 145) }
    }

    @Test("count epochs")
    func epochCount() throws {
        #expect(try batches(10, perStep: 4).epochs(steps: 5) == [2])
    }

    @Test("take of each kind its share, each kind in orders of its own")
    func shares() throws {
        func text(_ count: Int) throws -> TokenSequences {
            try TokenSequences(
                stream: Array(0..<Int32(2 * count)), beginning: nil, sequenceLength: 2, name: "a")
        }
        let all = TokenSequences(kinds: [("few", try text(10)), ("many", try text(50))])
        let shares = try #require(TextShares([1, 3]))
        let batches = try TokenBatches(all, sequencesPerStep: 4, seed: 1, shares: shares)
        let run = (0..<20).flatMap { batches.indices(step: $0) }
        let (few, many) = (run.filter { $0 < 10 }, run.filter { $0 >= 10 })
        // One of four in each step; the first kind goes twice through its text, in two orders.
        #expect(few.count == 20 && many.count == 60)
        #expect((0..<20).allSatisfy { step in batches.indices(step: step).count { $0 < 10 } == 1 })
        #expect(few[..<10].sorted() == Array(0..<10) && few[10...].sorted() == Array(0..<10))
        #expect(Array(few[..<10]) != Array(few[10...]))
        #expect(many[..<50].sorted() == Array(10..<60))
        // The first kind's orders are those of a text of its own.
        #expect(
            try Array(few[..<10]) == (0..<10).flatMap { try self.batches(10, perStep: 1).indices(step: $0) })
        #expect(batches.epochs(steps: 20) == [2, 1.2])
        var used: [Int] = []
        for sequence in run[..<48] where !used.contains(sequence) { used.append(sequence) }
        #expect(batches.used(steps: 12) == used)
        #expect(batches.used(steps: 1_000_000).sorted() == Array(0..<60))
    }

    @Test("say how much text a step needs")
    func tooShort() throws {
        let error = #expect(throws: TextError.self) { try batches(3, perStep: 4) }
        #expect(
            error?.description.contains("has 3 sequences of 2 tokens (6 tokens), a step needs 4 (8 tokens)")
                == true)
    }
}
