import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Products of a step")
struct StepTests {
    /// What `compute` multiplies a stored weight and an activation as, for a few tokens.
    private func reference(
        _ weights: Weights, row: Int, _ x: [Float], _ compute: Compute
    ) -> (sum: Double, magnitude: Double) {
        switch compute.kernel(for: weights.type, columns: weights.columns) {
        case .f32: return Reference.dot(weights[row], x)
        case .bf16: return Reference.dot(weights[row].map(Reference.bf16), x)
        case .int8:
            let (codes, scales) = Reference.int8(x)
            return Reference.dot(
                weights[row], codes.enumerated().map { Float($0.element) * scales[$0.offset / 32] })
        }
    }

    @Test(
        "Each token is multiplied on its own, with activations as they are or in int8",
        arguments: Precision.supported, GGMLType.readable)
    func linear(precision: Precision, type: GGMLType) throws {
        let compute = Compute(threads: 2, precision: precision)
        var comparison = Comparison()
        for (tokens, rows) in [(1, 1), (2, 47), (3, 48), (4, 101)] {
            let weights = try Weights(type, rows: rows, columns: 512, seed: UInt64(rows))
            let x = compute.tensor(features: 512, layout: compute.stepLayout(count: tokens))
            x.fill(.nan)
            let batch = randomBatch(sequences: 1, length: tokens, features: 512, seed: UInt64(tokens))[0]
            for (token, values) in batch.enumerated() {
                x.setColumn(sequence: 0, position: token, to: values.span)
            }
            let y = compute.linear(compute.operand(x, for: weights.matrix), weights.matrix)
            for (token, values) in batch.enumerated() {
                let column = y.column(sequence: 0, position: token)
                for row in 0..<rows {
                    let expected = reference(weights, row: row, values, compute)
                    // Decoded weights and scaled codes are each rounded twice on one way or the other.
                    comparison.add(
                        column[row], expected.sum,
                        bound: Bound.sum(terms: 512 + 4, magnitude: expected.magnitude),
                        "token \(token) row \(row)")
                }
            }
        }
        comparison.check()
    }

    @Test("NaN in a token stays NaN, and in its token", arguments: Precision.supported)
    func nonFinite(precision: Precision) throws {
        let compute = Compute(threads: 1, precision: precision)
        for type in [GGMLType.q4_0, .bf16] {
            let weights = try Weights(type, rows: 5, columns: 64, seed: 3)
            let x = compute.tensor(features: 64, layout: compute.stepLayout(count: 2))
            var values = [Float](repeating: 1, count: 64)
            x.setColumn(sequence: 0, position: 1, to: values.span)
            values[40] = .nan
            x.setColumn(sequence: 0, position: 0, to: values.span)
            let y = compute.linear(compute.operand(x, for: weights.matrix), weights.matrix)
            #expect(y.column(sequence: 0, position: 0).allSatisfy { $0.isNaN })
            #expect(y.column(sequence: 0, position: 1).allSatisfy { $0.isFinite })
        }
    }

    @Test("More sequences than four share panels")
    func layouts() {
        let compute = Compute(threads: 1, precision: .automatic)
        #expect(compute.stepLayout(count: 4).isStep)
        #expect(!compute.stepLayout(count: 5).isStep)
    }
}
