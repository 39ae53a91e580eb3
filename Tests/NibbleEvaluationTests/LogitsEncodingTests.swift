import Foundation
import NibbleTestSupport
import Testing

@testable import NibbleEvaluation

@Suite("Logits as 16-bit codes")
struct LogitsEncodingTests {
    private func encode(_ logits: [Float]) throws -> (LogitsEncoding, [UInt16]) {
        try logits.withUnsafeBufferPointer { logits in
            let encoding = try LogitsEncoding(logits)
            let codes = [UInt16](unsafeUninitializedCapacity: logits.count) { buffer, count in
                encoding.encode(logits, into: UnsafeMutableBufferPointer(rebasing: buffer[..<logits.count]))
                count = logits.count
            }
            #expect(codes == logits.map { encoding.code(of: $0) })
            return (encoding, codes)
        }
    }

    @Test("Four logits, by hand")
    func byHand() throws {
        // largest 8, least max(0, 8 - 16) = 0, scale 8 / 65535; 2 is code 65535 / 4 = 16383.75, rounded 16384;
        // 4 is 32767.5, in Float 32767.5 or a unit beside it; lse = ln(1 + e^-4 + e^-6 + e^-8)
        let (encoding, codes) = try encode([0, 2, 4, 8])
        #expect(encoding.scale == 8.0 / 65535)
        let lse = Float(log(1 + exp(-4.0) + exp(-6.0) + exp(-8.0)))
        #expect(abs(encoding.minimum - (-8 - lse)) <= 1e-6)
        #expect(codes[0] == 0)
        #expect(codes[1] == 16384)
        #expect(codes[2] == 32768 || codes[2] == 32767)
        #expect(codes[3] == 65535)
    }

    @Test("What lies more than 16 below the largest is code 0, with the probability e^-16 of it")
    func clipped() throws {
        let (encoding, codes) = try encode([10, -6, -7, -100, -.infinity, 9])
        #expect(codes == [65535, 0, 0, 0, 0, 61439])
        #expect(encoding.scale == 16.0 / 65535)
        let lse = Float(log(1 + exp(-1.0) + exp(-16.0) + exp(-17.0)))
        #expect(abs(encoding.minimum - (-16 - lse)) <= 2e-6)
    }

    @Test("Ties go to the even code")
    func ties() throws {
        // Largest 65535 / 4096 (below 16) and least 0: the scale is 1 / 4096, and codes are logits · 4096, exactly.
        let step: Float = 1.0 / 4096
        let encoding = try LogitsEncoding(largest: 65535 * step, smallest: 0, sumOfExponentials: 1)
        #expect(encoding.scale == step)
        let positions: [Float] = [0, 0.5, 1.5, 2.5, 3.5, 2.500001, 65533.5, 65534.5, 65535]
        let logits = positions.map { $0 * step }
        let expected: [UInt16] = [0, 0, 2, 2, 4, 3, 65534, 65534, 65535]
        #expect(logits.map { encoding.code(of: $0) } == expected)
        var codes = [UInt16](repeating: 7, count: positions.count)
        logits.withUnsafeBufferPointer { logits in
            codes.withUnsafeMutableBufferPointer { encoding.encode(logits, into: $0) }
        }
        #expect(codes == expected)
    }

    @Test("Equal logits have no scale and codes of 0")
    func equal() throws {
        let (encoding, codes) = try encode([3, 3, 3])
        #expect(encoding.scale == 0)
        #expect(encoding.minimum == -Float(log(3.0)))
        #expect(codes == [0, 0, 0])
        let (tiny, tinyCodes) = try encode([0, Float.leastNonzeroMagnitude])
        #expect(tiny.scale == 0)
        #expect(tinyCodes == [0, 0])
    }

    @Test("The bulk function gives the reference's codes", arguments: [1, 7, 8, 15, 16, 17, 32, 1001])
    func bulk(count: Int) throws {
        var generator = SeededGenerator(seed: UInt64(count))
        let logits = (0..<count).map { _ in Float.random(in: -12...9, using: &generator) }
        let (encoding, codes) = try encode(logits)
        #expect(codes.max() == 65535 || encoding.scale == 0)
    }

    @Test("A code says what the logit was to half a step")
    func error() throws {
        var generator = SeededGenerator(seed: 5)
        let logits = (0..<500).map { _ in Float.random(in: -7...7, using: &generator) }
        let (encoding, codes) = try encode(logits)
        let lse = log(logits.reduce(0.0) { $0 + exp(Double($1)) })
        for (logit, code) in zip(logits, codes) {
            let decoded = Double(encoding.scale) * Double(code) + Double(encoding.minimum)
            // Half a step and the rounding of Float numbers up to 16.
            #expect(abs(decoded - (Double(logit) - lse)) <= Double(encoding.scale) / 2 + 4e-6)
        }
    }

    @Test("Logits that are no numbers are errors")
    func notFinite() {
        for logits in [[Float.nan, 1], [1, .nan, 2], [.infinity, 1], [-.infinity, -.infinity]] as [[Float]] {
            #expect(throws: EvaluationError.self) { _ = try encode(logits) }
        }
    }
}
