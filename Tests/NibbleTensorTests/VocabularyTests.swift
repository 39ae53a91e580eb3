import CKernels
import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Synchronization
import Testing

@Suite("Sums over the vocabulary, by slices")
struct VocabularyKernelTests {
    /// Running sums of a panel of 16.
    private struct Sums {
        var maximum = [Float](repeating: -.infinity, count: 16)
        var sum = [Double](repeating: 0, count: 16)
        var argmax = [Int32](repeating: 0, count: 16)
        var cross = [Double](repeating: 0, count: 16)

        /// Adds rows of `[token][16]`; nil where all are finite.
        mutating func add(
            _ base: ArraySlice<Float>, other: ArraySlice<Float>? = nil, first: Int, level: KernelLevel
        ) -> Int32 {
            let (tokens, base) = (base.count / 16, Array(base))
            if let other {
                nibble_add_cross(base, Array(other), tokens, 16, maximum, &cross, level.number)
            }
            return maximum.withUnsafeMutableBufferPointer { maximum in
                sum.withUnsafeMutableBufferPointer { sum in
                    argmax.withUnsafeMutableBufferPointer { argmax in
                        let sums = nibble_softmax_sums(
                            maximum: maximum.baseAddress, sum: sum.baseAddress, argmax: argmax.baseAddress)
                        return nibble_add_logits(base, tokens, 16, Int32(first), sums, level.number)
                    }
                }
            }
        }
    }

    /// Cuts of 300 tokens of the vocabulary in slices.
    private static let cuts = [
        [0, 300], [0, 1, 300], [0, 48, 96, 144, 192, 240, 288, 300], [0, 128, 256, 300],
    ]

    @Test("agree with Double, however they are cut", arguments: KernelLevel.available)
    func slices(level: KernelLevel) {
        var random = SeededGenerator(seed: 41)
        let base = random.normal(300 * 16, scale: 5)
        let other = base.map { $0 + random.normal() }
        for cut in Self.cuts {
            for isReversed in [false, true] {
                var sums = Sums()
                let slices = zip(cut, cut.dropFirst()).map { ($0, $1) }
                for (first, end) in isReversed ? slices.reversed() : slices {
                    let range = first * 16..<end * 16
                    #expect(sums.add(base[range], other: other[range], first: first, level: level) == 0)
                }
                var comparison = Comparison()
                for lane in 0..<16 {
                    let logits = (0..<300).map { base[$0 * 16 + lane] }
                    let maximum = logits.max() ?? 0
                    #expect(sums.maximum[lane] == maximum)
                    #expect(sums.argmax[lane] == logits.firstIndex(of: maximum).map(Int32.init))
                    var (sum, cross, magnitude) = (0.0, 0.0, 0.0)
                    for (token, logit) in logits.enumerated() {
                        let weight = exp(Double(logit) - Double(maximum))
                        let difference = Double(logit) - Double(other[token * 16 + lane])
                        sum += weight
                        cross += weight * difference
                        magnitude += weight * abs(difference)
                    }
                    comparison.add(sums.sum[lane], sum, bound: Bound.vocabularySum * sum)
                    comparison.add(sums.cross[lane], cross, bound: Bound.vocabularySum * magnitude)
                }
                comparison.check()
            }
        }
    }

    @Test("the first of several largest wins", arguments: KernelLevel.available)
    func ties(level: KernelLevel) {
        var logits = [Float](repeating: -1, count: 100 * 16)
        for lane in 0..<16 {
            for token in stride(from: 3 + lane, to: 100, by: 20) { logits[token * 16 + lane] = 2 }
        }
        var sums = Sums()
        for first in stride(from: 0, to: 100, by: 20) {
            #expect(sums.add(logits[first * 16..<(first + 20) * 16], first: first, level: level) == 0)
        }
        #expect(sums.argmax == (0..<16).map { Int32(3 + $0) })
    }

    @Test(
        "NaN and +infinity are reported from every place, -infinity is not", arguments: KernelLevel.available)
    func invalid(level: KernelLevel) {
        for lane in [0, 7, 15] {
            for token in [0, 1, 47] {
                for value in [Float.nan, -.nan, .infinity] {
                    var logits = [Float](repeating: 0.5, count: 48 * 16)
                    logits[token * 16 + lane] = value
                    var sums = Sums()
                    #expect(sums.add(logits[...], first: 0, level: level) == 1)
                }
                var logits = [Float](repeating: 0.5, count: 48 * 16)
                logits[token * 16 + lane] = -.infinity
                var sums = Sums()
                #expect(sums.add(logits[...], other: logits[...], first: 0, level: level) == 0)
                #expect(abs(sums.sum[lane] - 47) < 1e-4 && sums.cross[lane] == 0)
            }
        }
    }

    @Test("slices of -infinity add nothing", arguments: KernelLevel.available)
    func nothing(level: KernelLevel) {
        let none = [Float](repeating: -.infinity, count: 8 * 16)
        let one = [Float](repeating: 3, count: 16)
        for order in [[none, one], [one, none], [none, none, one, none]] {
            var sums = Sums()
            for logits in order {
                #expect(sums.add(logits[...], other: logits[...], first: 0, level: level) == 0)
            }
            #expect(sums.sum.allSatisfy { $0 == 1 } && sums.maximum == one)
            #expect(sums.cross.allSatisfy { $0 == 0 })
        }
    }

    @Test("the scale of logits does not matter", arguments: KernelLevel.available)
    func range(level: KernelLevel) {
        for size: Float in [1e4, 1e30, 1e38] {
            var sums = Sums()
            let rising = (0..<4).flatMap { row in [Float](repeating: size * Float(row - 2), count: 16) }
            for row in 0..<4 {
                #expect(sums.add(rising[row * 16..<row * 16 + 16], first: row, level: level) == 0)
            }
            #expect(sums.sum.allSatisfy { $0 == 1 } && sums.maximum.allSatisfy { $0 == size })
            #expect(sums.argmax.allSatisfy { $0 == 3 })
        }
    }
}

@Suite("Scores over the vocabulary")
struct VocabularySumsTests {
    private static let features = 32

    private static func head(
        _ compute: Compute, _ states: [[Float]], _ weights: Weights, softcap: Float? = nil
    ) -> VocabularyHead {
        // Gathered, as models do: padding then repeats the last token.
        let x = compute.gather(compute.tensor([states]), positions: 0..<states.count)
        return VocabularyHead(x, weight: weights.matrix, softcap: softcap, compute: compute)
    }

    @Test(
        "agree with a softmax in Double", arguments: Precision.supported, [1, 47, 300, 5000])
    func scores(precision: Precision, size: Int) throws {
        let compute = Compute(threads: 2, precision: precision)
        let types: [GGMLType] = [.f32, .q8_0, .q4_0]
        let weights = try types.map { try Weights($0, rows: size, columns: Self.features, seed: 4) }
        for tokens in [1, 16, 33] {
            let states = randomBatch(sequences: 1, length: tokens, features: Self.features, seed: 1)[0]
                .map { $0.map { 8 * $0 } }
            compute.poison()
            let heads = weights.map { Self.head(compute, states, $0, softcap: $0.type == .q4_0 ? 5 : nil) }
            let targets = (0..<tokens).map { Int32($0 * 37 % size) }
            let sums = try #require(VocabularySums(heads, targets: targets, compute: compute))
            let logits = heads.map { $0.allLogits() }
            var comparison = Comparison()
            for token in 0..<tokens {
                for head in heads.indices {
                    let row = logits[head][token]
                    let logSum = Reference.logSum(row)
                    comparison.add(
                        sums.logSum(source: head, token: token), logSum, bound: Bound.vocabularySum)
                    comparison.add(
                        sums.negativeLogLikelihood(source: head, token: token),
                        logSum - Double(row[Int(targets[token])]), bound: Bound.vocabularySum)
                    #expect(sums.maximum(source: head, token: token) == row.max())
                    let top = row.firstIndex(of: row.max() ?? 0)
                    #expect(sums.top(source: head, token: token) == top.map(Int32.init))
                    let base = logits[0][token]
                    let baseSum = Reference.logSum(base)
                    var (divergence, magnitude) = (0.0, 0.0)
                    for (b, o) in zip(base, row) {
                        let p = exp(Double(b) - baseSum)
                        divergence += p * (Double(b) - Double(o) - baseSum + logSum)
                        magnitude += p * abs(Double(b) - Double(o))
                    }
                    // Two log sums and the cross term.
                    comparison.add(
                        sums.divergence(source: head, token: token), divergence,
                        bound: head == 0 ? 0x1p-40 : (2 + magnitude) * Bound.vocabularySum)
                }
            }
            comparison.check()
            for (head, rows) in zip(heads, logits) {
                let expected = rows.map { $0.min() ?? 0 }
                let found = compute.minima(of: head)
                #expect(found == expected)
            }
        }
    }

    @Test("pieces hold all logits, each once", arguments: Precision.supported)
    func pieces(precision: Precision) throws {
        let compute = Compute(threads: 2, precision: precision)
        let weights = try Weights(.q8_0, rows: 300, columns: Self.features, seed: 4)
        let states = randomBatch(sequences: 1, length: 33, features: Self.features, seed: 1)[0]
        let head = Self.head(compute, states, weights)
        let (width, expected) = (head.layout.width, head.allLogits())
        for height in [1, 50, 100, 300, 1000] {
            let found = Mutex([[Float]](repeating: [], count: 300))
            compute.forEachPiece(of: head, height: height) { rows, panel, logits in
                let tokens = min(width, 33 - panel * width)
                for (index, row) in rows.enumerated() {
                    let values = (0..<tokens).map { logits[index * width + $0] }
                    // Panels of a row come in order: one thread has them all.
                    found.withLock { $0[row] += values }
                }
            }
            let rows = found.withLock { $0 }
            let result = (0..<33).map { token in rows.map { $0[token] } }
            #expect(result == expected)
        }
    }

    @Test("are those of the products' logits", arguments: Precision.supported)
    func logits(precision: Precision) throws {
        let compute = Compute(threads: 2, precision: precision)
        for type in [GGMLType.f32, .q8_0] {
            let weights = try Weights(type, rows: 131, columns: Self.features, seed: 4)
            let states = randomBatch(sequences: 1, length: 33, features: Self.features, seed: 1)[0]
            let plain = Self.head(compute, states, weights).allLogits()
            let x = compute.gather(compute.tensor([states]), positions: 0..<33)
            let y = compute.linear(compute.operand(x, for: weights.matrix), weights.matrix)
            #expect(bits([plain]) == bits(y.batch))
            let capped = Self.head(compute, states, weights, softcap: 0.5).allLogits()
            for (left, right) in zip(plain.joined(), capped.joined()) {
                #expect(abs(Double(right) - 0.5 * tanh(Double(left) / 0.5)) < 1e-6)
            }
        }
    }

    @Test("do not depend on threads", arguments: Precision.supported)
    func threads(precision: Precision) throws {
        let states = randomBatch(sequences: 1, length: 20, features: Self.features, seed: 1)[0]
        let weights = try [GGMLType.f32, .q4_0].map {
            try Weights($0, rows: 3000, columns: Self.features, seed: 4)
        }
        let results = try [1, 2, 3].map { threads in
            let compute = Compute(threads: threads, precision: precision)
            let heads = weights.map { Self.head(compute, states, $0) }
            let sums = try #require(
                VocabularySums(heads, targets: (0..<20).map { $0 * 100 }, compute: compute))
            var values: [Double] = []
            for token in 0..<20 {
                for source in 0..<2 {
                    values.append(sums.negativeLogLikelihood(source: source, token: token))
                    values.append(sums.divergence(source: source, token: token))
                    values.append(Double(sums.top(source: source, token: token)))
                }
            }
            return values
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    @Test("the first of equal logits is on top", arguments: Precision.supported)
    func ties(precision: Precision) throws {
        let compute = Compute(threads: 2, precision: precision)
        for (size, first) in [(300, 7), (5000, 299), (5000, 4999), (100, 0)] {
            // Row `first` and every 97th behind it are alike and the largest.
            let rows = (0..<size).map { row in
                [Float](
                    repeating: row >= first && (row - first).isMultiple(of: 97) ? 1 : 0.5,
                    count: Self.features)
            }
            let weights = try Weights(rows: rows)
            let states = [[Float]](repeating: [Float](repeating: 1, count: Self.features), count: 3)
            let sums = try #require(
                VocabularySums(
                    [Self.head(compute, states, weights)], targets: [0, 1, 2], compute: compute))
            for token in 0..<3 { #expect(sums.top(source: 0, token: token) == Int32(first)) }
        }
    }

    @Test(
        "NaN and infinity among the states give nil", arguments: Precision.supported, [nil, 30] as [Float?])
    func invalid(precision: Precision, softcap: Float?) throws {
        let compute = Compute(threads: 2, precision: precision)
        for type in [GGMLType.f32, .q4_0, .q8_0, .q4_1] {
            let weights = try Weights(type, rows: 300, columns: Self.features, seed: 4)
            for value in [Float.nan, .infinity] {
                var states = randomBatch(sequences: 1, length: 3, features: Self.features, seed: 1)[0]
                states[1][5] = value
                let head = Self.head(compute, states, weights, softcap: softcap)
                // Infinite logits of both signs come back from a cap as numbers; without one they do not.
                if value == .infinity && softcap != nil && compute.kernel(for: type, columns: 32) != .int8 {
                    continue
                }
                #expect(
                    VocabularySums([head], targets: [0, 0, 0], compute: compute) == nil,
                    "\(type), \(value), cap \(softcap ?? 0)")
            }
        }
    }
}
