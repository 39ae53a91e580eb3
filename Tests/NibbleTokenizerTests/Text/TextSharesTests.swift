import NibbleTokenizer
import Testing

@Suite("Shares of kinds of text")
struct TextSharesTests {
    @Test(
        "Any first sequences have each kind's part of them, to within one or two",
        arguments: [[1], [1, 1], [3, 7], [1, 1, 1], [0.002, 0.5, 0.1, 0.398], [5, 1, 1, 1, 1, 1]])
    func parts(weights: [Double]) throws {
        let shares = try #require(TextShares(weights))
        let sum = weights.reduce(0, +)
        for (kind, weight) in weights.enumerated() {
            #expect(abs(shares.share(of: kind) - weight / sum) <= 1.0 / Double(TextShares.cycle))
        }
        var taken = weights.map { _ in 0 }
        for place in 0..<3 * TextShares.cycle {
            let (kind, index) = shares.place(place)
            // Those of a kind come one after the other.
            #expect(index == taken[kind])
            taken[kind] += 1
            for kind in weights.indices {
                #expect(abs(Double(taken[kind]) - Double(place + 1) * shares.share(of: kind)) < 2)
            }
        }
    }

    @Test("A number is dealt out whole", arguments: [0, 1, 2, 7, 64, 1000])
    func counts(total: Int) throws {
        for weights in [[1.0, 1, 1], [0.2, 0.3, 0.5], [1, 98, 1]] {
            let shares = try #require(TextShares(weights))
            let counts = shares.counts(of: total)
            #expect(counts.reduce(0, +) == total)
            for kind in weights.indices {
                #expect(abs(Double(counts[kind]) - Double(total) * shares.share(of: kind)) < 1)
            }
        }
        // 1.4, 1.4 and 4.2 by the largest remainders; of equal ones the first.
        #expect(TextShares([1, 1, 3])?.counts(of: 7) == [2, 1, 4])
    }

    @Test("A thousandth of all always has a sequence of a cycle")
    func small() {
        #expect(TextShares([1, 2100]) == nil)
        #expect(TextShares([1, 999]) != nil)
        #expect(TextShares([Double](repeating: 1, count: 64) + [1000 - 64]) != nil)
    }
}
