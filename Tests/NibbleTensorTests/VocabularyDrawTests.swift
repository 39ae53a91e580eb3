import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Tokens drawn from a vocabulary head")
struct VocabularyDrawTests {
    private static let columns = 64

    private func head(
        _ weights: Weights, tokens: Int, softcap: Float?, _ compute: Compute
    ) -> VocabularyHead {
        let states = compute.tensor(
            features: Self.columns, layout: compute.layout(sequences: 1, length: tokens))
        states.fill(0)
        let batch = randomBatch(sequences: 1, length: tokens, features: Self.columns, seed: 5)[0]
        for (token, values) in batch.enumerated() {
            states.setColumn(sequence: 0, position: token, to: values.span)
        }
        return VocabularyHead(states, weight: weights.matrix, softcap: softcap, compute: compute)
    }

    @Test(
        "A share lies within the token that it draws", arguments: Precision.supported,
        [(1, 5), (3, 96), (20, 97), (70, 1_000)])
    func shares(precision: Precision, shape: (tokens: Int, rows: Int)) throws {
        let compute = Compute(threads: 2, precision: precision)
        let weights = try Weights(.bf16, rows: shape.rows, columns: Self.columns, seed: 8)
        for softcap in [nil, 2] as [Float?] {
            let head = head(weights, tokens: shape.tokens, softcap: softcap, compute)
            let excluded = [0, 2, shape.rows - 1]
            let logits = head.allLogits()
            var random = SeededGenerator(seed: 17)
            for round in 0..<20 {
                let shares = (0..<shape.tokens).map { token in
                    // Both ends, too.
                    round == 0 ? 0 : round == 1 ? 1.0.nextDown : Double.random(in: 0..<1, using: &random)
                }
                let drawn = try #require(head.draw(shares, excluding: excluded))
                for token in 0..<shape.tokens {
                    var weights = logits[token].map { exp(Double($0)) }
                    for row in excluded { weights[row] = 0 }
                    let total = weights.reduce(0, +)
                    let row = Int(drawn[token])
                    #expect(!excluded.contains(row))
                    let before = weights[..<row].reduce(0, +) / total
                    let share = shares[token]
                    // Sums of exponentials in F32.
                    #expect(before - 1e-5 <= share && share <= before + weights[row] / total + 1e-5)
                }
            }
        }
    }

    @Test("A logit that is no number, or infinite, is told of, but where it is not drawn")
    func nonFinite() throws {
        let compute = Compute(threads: 2, precision: .f32)
        for value in [Float.nan, .infinity] {
            var rows = [[Float]](repeating: [Float](repeating: 0.5, count: Self.columns), count: 200)
            rows[150][3] = value
            let weights = try Weights(rows: rows)
            let head = head(weights, tokens: 20, softcap: nil, compute)
            let shares = [Double](repeating: 0.25, count: 20)
            #expect(head.draw(shares) == nil)
            #expect(head.draw(shares, excluding: [150]) != nil)
        }
    }
}
