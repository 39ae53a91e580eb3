import Foundation
import Testing

@testable import NibbleEvaluation

@Suite("One token under two models")
struct TokenDivergenceTests {
    private func compare(
        _ logits: [Float], codes: [UInt16], scale: Float, minimum: Float, target: Int
    ) -> TokenDivergence {
        logits.withUnsafeBufferPointer { logits in
            codes.withUnsafeBufferPointer { codes in
                TokenDivergence(
                    logits: logits, base: LogitsRecord(scale: scale, minimum: minimum, codes: codes),
                    target: target)
            }
        }
    }

    @Test("Three tokens, by hand")
    func byHand() {
        // p = (1/4, 1/4, 1/2); base: ln p_base = -ln 4 + ln 2 · (1, 0, 0) = (ln 1/2, ln 1/4, ln 1/4)
        let ln2 = Float(log(2.0))
        let token = compare([1, 1, 1 + ln2], codes: [1, 0, 0], scale: ln2, minimum: -2 * ln2, target: 2)
        #expect(abs(token.nll - log(2)) < 1e-6)
        #expect(abs(token.baseNll - log(4)) < 1e-6)
        // 1/2 ln 2 + 1/4 ln 1 + 1/4 ln 1/2 = 1/4 ln 2
        #expect(abs(token.divergence - 0.25 * log(2)) < 1e-6)
        #expect(abs(token.probabilityDifference - 0.25) < 1e-6)
        #expect(!token.sameTop)
    }

    @Test("Tokens that the base model gives less than e^-16 do not count")
    func clipped() {
        let without = compare([1, 2, -50], codes: [4, 4, 0], scale: 4, minimum: -16.7, target: 0)
        let with = compare([1, 2, -50], codes: [4, 4, 0], scale: 4, minimum: -15.9, target: 0)
        #expect(with.divergence > without.divergence)
        let other = compare([1, 2, -70], codes: [4, 4, 0], scale: 4, minimum: -16.7, target: 0)
        #expect(other.divergence == without.divergence)
    }

    @Test("The first of equally probable tokens is the top one")
    func ties() {
        #expect(compare([2, 2, 1], codes: [7, 7, 0], scale: 1, minimum: -8, target: 0).sameTop)
        #expect(!compare([2, 2, 1], codes: [6, 7, 0], scale: 1, minimum: -8, target: 0).sameTop)
        // No scale: all tokens of the base model are equal.
        #expect(compare([2, 2, 1], codes: [0, 0, 0], scale: 0, minimum: -1, target: 0).sameTop)
    }

    @Test("A model does not differ from its own record but by the rounding to 16 bits")
    func itself() throws {
        let reader = try LogitsFileReader(path: RecordedDivergence.logits)
        for (index, target) in try reader.plan(bos: nil)[2].targets.enumerated() {
            let record = try reader.record(chunk: 2, index: index)
            let logits = record.codes.indices.map { record.logProbability(of: $0) + 3 }
            let token = logits.withUnsafeBufferPointer {
                TokenDivergence(logits: $0, base: record, target: Int(target))
            }
            #expect(token.sameTop)
            #expect(abs(token.divergence) < 1e-4)
            #expect(abs(token.nll - token.baseNll) < 1e-4)
        }
    }

    @Test("NaN among the logits is refused when the record is added")
    func notANumber() {
        var statistics = DivergenceStatistics()
        for logits in [[Float.nan, 1, 2], [0, .nan, 1], [0, 1, .nan], [.infinity, 0, 1]] as [[Float]] {
            let token = compare(logits, codes: [1, 2, 3], scale: 1, minimum: -4, target: 0)
            #expect(throws: EvaluationError.self) { try statistics.add(token) }
        }
        #expect(statistics.count == 0)
    }

    @Test("The recorded differences of probabilities follow from the likelihoods")
    func probabilities() throws {
        for record in try RecordedDivergence.read().records {
            let token = TokenDivergence(
                nll: record.token.nll, baseNll: record.token.baseNll, divergence: 0, sameTop: true)
            // Two exponentials and a difference in single precision, of numbers below 0.1.
            #expect(abs(token.probabilityDifference - record.token.probabilityDifference) < 2e-8)
        }
    }
}
