import Foundation
import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleTensor

/// Moments in 8 bits.
@Suite("Block-wise dynamic quantization")
struct DynamicQuantizationTests {
    private static func roundTrip(_ values: [Float], _ quantization: DynamicQuantization) -> [Float] {
        var codes = [UInt8](repeating: 0xEE, count: values.count)
        var magnitudes = [Float](repeating: -1, count: DynamicQuantization.blocks(values.count))
        var result = [Float](repeating: -1, count: values.count)
        quantization.encode(values, count: values.count, into: &codes, magnitudes: &magnitudes)
        quantization.decode(codes, magnitudes: magnitudes, count: values.count, into: &result)
        return result
    }

    @Test(
        "has distinct levels from 10⁻⁷ to 1 of both signs, or twice as many of one", arguments: [true, false])
    func levels(isSigned: Bool) throws {
        let quantization = isSigned ? DynamicQuantization.signed : .unsigned
        let shares = quantization.shares
        #expect(shares.count == 256 && Set(shares.map { $0 == 0 ? 0 : $0 }).count == 255)
        #expect(shares.max() == 1 && shares.min() == (isSigned ? -1 : 0))
        let smallest = try #require(shares.filter { $0 > 0 }.min())
        #expect(abs(smallest / (isSigned ? 1e-6 : 5.5e-7) - 1) < 1e-5)
        // Every level comes back, beside the largest.
        let values = shares + [1]
        #expect(Self.roundTrip(values, quantization) == values.map { $0 == 0 ? 0 : $0 })
    }

    @Test("takes the nearest level, the largest magnitude exactly", arguments: [1, 31, 256, 257, 1000])
    func nearest(count: Int) throws {
        var random = SeededGenerator(seed: 3)
        for quantization in [DynamicQuantization.signed, .unsigned] {
            let isSigned = quantization.shares.contains { $0 < 0 }
            let values = (0..<count).map { _ -> Float in
                let value = random.normal() * Float.random(in: 0...1e-3, using: &random)
                return isSigned ? value : value * value
            }
            let found = Self.roundTrip(values, quantization)
            for block in stride(from: 0, to: count, by: 256) {
                let range = block..<min(block + 256, count)
                let largest = try #require(range.map { abs(values[$0]) }.max())
                for index in range {
                    let distance = abs(found[index] - values[index])
                    let best = quantization.shares.map { abs($0 * largest - values[index]) }.min() ?? 0
                    // What is not zero may not become zero where squares are kept.
                    let isSmall = !isSigned && values[index] < 1e-6 * largest
                    #expect(
                        isSmall ? found[index] > 0 : distance <= best + 1e-6 * largest * abs(values[index]))
                    #expect(abs(values[index]) < largest || found[index] == values[index])
                }
            }
        }
    }

    @Test("has one form at all levels", arguments: KernelLevel.available)
    func kernels(level: KernelLevel) {
        var random = SeededGenerator(seed: 6)
        for quantization in [DynamicQuantization.signed, .unsigned] {
            let values = (0..<5003).map { index -> Float in
                let value = random.normal() * exp2(Float.random(in: -30...0, using: &random))
                return index.isMultiple(of: 50)
                    ? 0 : quantization.shares.contains { $0 < 0 } ? value : abs(value)
            }
            let blocks = DynamicQuantization.blocks(values.count)
            var (plain, fast) = (
                [UInt8](repeating: 0, count: values.count), [UInt8](repeating: 0, count: values.count)
            )
            var (left, right) = ([Float](repeating: 0, count: blocks), [Float](repeating: 0, count: blocks))
            quantization.encode(values, count: values.count, into: &plain, magnitudes: &left, level: nil)
            quantization.encode(values, count: values.count, into: &fast, magnitudes: &right, level: level)
            #expect(plain == fast && left == right)
        }
    }

    @Test("keeps zeros, and gives NaN where there was NaN or infinity")
    func special() {
        #expect(Self.roundTrip([0, 0, 0], .signed) == [0, 0, 0])
        for bad in [Float.nan, .infinity, -.infinity] {
            var values = [Float](repeating: 1, count: 300)
            values[7] = bad
            let found = Self.roundTrip(values, .signed)
            #expect(found[..<256].allSatisfy(\.isNaN) && found[256...].allSatisfy { $0 == 1 })
        }
        // Numbers of which one cannot take the reciprocal.
        let tiny = Float.leastNonzeroMagnitude
        #expect(Self.roundTrip([tiny, -tiny, 3e38], .signed) == [0, 0, 3e38])
        #expect(Self.roundTrip([3 * tiny, 3 * tiny], .unsigned) == [3 * tiny, 3 * tiny])
    }
}
