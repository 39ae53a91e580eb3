import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Attention")
struct AttentionTests {
    private static let head = 16
    private static let queryHeads = 4
    private static let keyHeads = 2

    /// Query, key and value of a batch, `[sequence][position][feature]`.
    private struct Inputs {
        var query: [[[Float]]]
        var key: [[[Float]]]
        var value: [[[Float]]]

        init(sequences: Int, length: Int, seed: UInt64) {
            let (wide, narrow) = (queryHeads * head, keyHeads * head)
            query = randomBatch(sequences: sequences, length: length, features: wide, seed: seed)
            key = randomBatch(sequences: sequences, length: length, features: narrow, seed: seed + 1)
            value = randomBatch(sequences: sequences, length: length, features: narrow, seed: seed + 2)
        }

        /// Some positions of all sequences.
        func cut(_ positions: Range<Int>) -> Inputs {
            var part = self
            part.query = query.map { Array($0[positions]) }
            part.key = key.map { Array($0[positions]) }
            part.value = value.map { Array($0[positions]) }
            return part
        }
    }

    /// Compares results for the positions from `start` on with Double.
    private static func compare(
        _ found: [[[Float]]], _ inputs: Inputs, start: Int, window: Int?,
        _ comparison: inout Comparison
    ) {
        for sequence in found.indices {
            for index in 0..<queryHeads {
                let features = index * head..<(index + 1) * head
                let group = index * keyHeads / queryHeads
                let shared = group * head..<(group + 1) * head
                let value = inputs.value[sequence].map { Array($0[shared]) }
                let expected = Reference.attention(
                    query: inputs.query[sequence][start...].map { Array($0[features]) },
                    key: inputs.key[sequence].map { Array($0[shared]) }, value: value, start: start,
                    window: window)
                let largest = value.joined().reduce(0) { max($0, Double(abs($1))) }
                for (position, (result, magnitude)) in expected.enumerated() {
                    // A score that is off by e changes the weights by 2e at most, relatively; then come the
                    // exponential and the sums over the keys.
                    let score = Bound.sum(terms: head, magnitude: magnitude)
                    let keys = Double(start + position + 1 + 64)
                    let relative =
                        2 * score + 2 * magnitude * Bound.rounding + 2 * Bound.exponential
                        + 3 * keys * Bound.rounding
                    for feature in 0..<head {
                        comparison.add(
                            found[sequence][position][index * head + feature], result[feature],
                            bound: relative * largest,
                            "sequence \(sequence), head \(index), position \(start + position)")
                    }
                }
            }
        }
    }

    @Test("agrees with Double", arguments: Precision.supported, [1, 16, 33, 70])
    func whole(precision: Precision, length: Int) {
        for level in KernelLevel.available {
            let compute = Compute(threads: 2, precision: precision, level: level)
            for window in [nil, 1, 5, 40] {
                let inputs = Inputs(sequences: 3, length: length, seed: UInt64(length))
                compute.poison()
                let cache = compute.keyValueCache(
                    sequences: 3, positions: length, heads: Self.keyHeads, head: Self.head)
                let result = compute.attention(
                    query: compute.tensor(inputs.query), key: compute.tensor(inputs.key),
                    value: compute.tensor(inputs.value), cache: cache, window: window)
                var comparison = Comparison()
                Self.compare(
                    result.batch, inputs, start: 0, window: window, &comparison)
                comparison.check()
            }
        }
    }

    @Test("of later parts sees the cache", arguments: Precision.supported)
    func parts(precision: Precision) {
        let compute = Compute(threads: 2, precision: precision)
        for window in [nil, 1, 20] {
            let inputs = Inputs(sequences: 2, length: 103, seed: 5)
            compute.poison()
            let cache = compute.keyValueCache(
                sequences: 2, positions: 103, heads: Self.keyHeads, head: Self.head)
            var comparison = Comparison()
            for range in [0..<33, 33..<34, 34..<98, 98..<103] {
                let part = inputs.cut(range)
                let result = compute.attention(
                    query: compute.tensor(part.query), key: compute.tensor(part.key),
                    value: compute.tensor(part.value), cache: cache, start: range.lowerBound, window: window)
                Self.compare(
                    result.batch, inputs.cut(0..<range.upperBound), start: range.lowerBound, window: window,
                    &comparison)
            }
            comparison.check()
        }
    }

    @Test("of some sequences of a cache leaves the others alone", arguments: Precision.supported)
    func first(precision: Precision) {
        let compute = Compute(threads: 2, precision: precision)
        let inputs = Inputs(sequences: 3, length: 21, seed: 6)
        let cache = compute.keyValueCache(sequences: 3, positions: 30, heads: Self.keyHeads, head: Self.head)
        func run(_ sequences: Range<Int>) -> [[[UInt32]]] {
            let result = compute.attention(
                query: compute.tensor(Array(inputs.query[sequences])),
                key: compute.tensor(Array(inputs.key[sequences])),
                value: compute.tensor(Array(inputs.value[sequences])), cache: cache,
                first: sequences.lowerBound,
                window: nil)
            return bits(result.batch)
        }
        let all = run(0..<3)
        #expect(run(1..<3) == Array(all[1...]))
        #expect(run(2..<3) == Array(all[2...]))
        #expect(run(0..<1) == Array(all[..<1]))
    }

    @Test("token by token agrees with Double, at different positions", arguments: Precision.supported)
    func steps(precision: Precision) {
        for level in KernelLevel.available {
            let compute = Compute(threads: 2, precision: precision, level: level)
            for window in [nil, 1, 20] {
                // Sequence i has 40 + 3i tokens in the cache before its step.
                let inputs = Inputs(sequences: 5, length: 60, seed: 7)
                compute.poison()
                let cache = compute.keyValueCache(
                    sequences: 5, positions: 60, heads: Self.keyHeads, head: Self.head)
                let positions = (0..<5).map { 40 + 3 * $0 }
                let before = inputs.cut(0..<56)
                _ = compute.attention(
                    query: compute.tensor(before.query), key: compute.tensor(before.key),
                    value: compute.tensor(before.value), cache: cache, window: window)
                func step(_ batch: [[[Float]]]) -> Tensor {
                    compute.tensor([zip(batch, positions).map { $0[$1] }])
                }
                let result = compute.stepAttention(
                    query: step(inputs.query), key: step(inputs.key), value: step(inputs.value), cache: cache,
                    positions: positions, window: window
                ).batch[0]
                var comparison = Comparison()
                for (sequence, position) in positions.enumerated() {
                    var one = inputs.cut(0..<position + 1)
                    one.query = [one.query[sequence]]
                    one.key = [one.key[sequence]]
                    one.value = [one.value[sequence]]
                    Self.compare([[result[sequence]]], one, start: position, window: window, &comparison)
                }
                comparison.check()
            }
        }
    }

    @Test("gives the same bits for every number of threads", arguments: Precision.supported)
    func threads(precision: Precision) {
        let inputs = Inputs(sequences: 3, length: 70, seed: 8)
        let results = [1, 2, 3].map { threads in
            let compute = Compute(threads: threads, precision: precision)
            let cache = compute.keyValueCache(
                sequences: 3, positions: 70, heads: Self.keyHeads, head: Self.head)
            let result = compute.attention(
                query: compute.tensor(inputs.query), key: compute.tensor(inputs.key),
                value: compute.tensor(inputs.value), cache: cache, window: 50)
            return bits(result.batch)
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }
}
