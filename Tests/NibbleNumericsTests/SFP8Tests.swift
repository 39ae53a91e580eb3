import NibbleNumerics
import Testing

@Suite("Switched floating point")
struct SFP8Tests {
    @Test("all 256 codes decode by the formula and encode back", arguments: Implementation.all)
    func everyCode(implementation: Implementation) throws {
        let codes = Array(0...UInt8.max)
        let values = implementation.decode(SFP8(), codes, columns: 256)
        #expect(values[0] == 0 && values[0].sign == .plus)
        #expect(values[0x80] == 0 && values[0x80].sign == .plus)
        #expect(values[0x01] == 0x1.4p-23)
        #expect(values[0x02] == 0x1.8p-23)
        #expect(values[0x3F] == 0x1.Cp-8)
        #expect(values[0x40] == 0x1p-7)
        #expect(values[0x41] == 0x1.2p-7)
        #expect(values[0x78] == 1)
        #expect(values[0x7F] == 1.875)
        #expect(values[0xF9] == -1.125)
        for code in 1..<128 {
            #expect(values[code] > values[code - 1], "\(code)")
            #expect(values[code + 128] == -values[code], "\(code)")
        }
        let encoded = try implementation.encode(SFP8(), values, columns: 256)
        #expect(encoded == codes.map { $0 == 0x80 ? 0 : $0 })
    }

    @Test("the middle of two codes goes to the even one", arguments: Implementation.all)
    func middles(implementation: Implementation) throws {
        let values = implementation.decode(SFP8(), Array(0...127), columns: 128)
        for code in 1..<127 {
            // Four to five mantissa bits: a BF16.
            let middle = (values[code] + values[code + 1]) / 2
            #expect(middle.bitPattern & 0xFFFF == 0)
            let below = Float(bitPattern: middle.bitPattern - 0x10000)
            let above = Float(bitPattern: middle.bitPattern + 0x10000)
            let even = UInt8(code + code % 2)
            let found = try implementation.encode(
                SFP8(), [below, middle, above, -below, -middle, -above], columns: 6)
            let expected = [UInt8(code), even, UInt8(code + 1)]
            #expect(found == expected + expected.map { $0 | 0x80 }, "code \(code)")
        }
    }

    @Test("around zero", arguments: Implementation.all)
    func aroundZero(implementation: Implementation) throws {
        // 2^-23 has no code; what rounds there, from 1.875 · 2^-24 on, becomes 1.25 · 2^-23.
        let x: [Float] = [0x1p-23, 0x1.Ep-24, 0x1.DCp-24, 0x1p-24, .leastNonzeroMagnitude, 0, -0.0, -0x1p-23]
        #expect(try implementation.encode(SFP8(), x, columns: 8) == [1, 1, 0, 0, 0, 0, 0, 0x81])
    }

    @Test("known values of gemma.cpp", arguments: Implementation.all)
    func known(implementation: Implementation) throws {
        let pairs: [(Float, Float)] = [
            (0.46875, 0.46875), (0.9375, 0.9375), (0.484375, 0.5), (0.96875, 1), (0.28125, 0.28125),
            (0.296875, 0.3125), (0.59375, 0.625), (0.279296875, 0.28125), (0.265625, 0.25), (0.53125, 0.5),
            (0.0068359375, 0.0068359375), (0.00732421875, 0.0078125), (0.007568359375, 0.0078125),
            (1.0625, 1),
            (0x1p-22, 0x1p-22), (0x1p-24, 0), (0x1.8p-24, 0), (0x1.Ep-24, 0x1.4p-23), (0.013841, 0.013671875),
        ]
        let bytes = try implementation.encode(SFP8(), pairs.map(\.0), columns: pairs.count)
        #expect(implementation.decode(SFP8(), bytes, columns: pairs.count) == pairs.map(\.1))
    }

    @Test("kernels agree with the reference on every BF16", arguments: KernelLevel.available)
    func agreement(level: KernelLevel) throws {
        let x = (0..<0x3FF1).flatMap { bits -> [Float] in
            let value = Half.float(bf16: UInt16(bits))
            return [value, -value, value.nextUp, Float(bitPattern: value.bitPattern | 0x8000)]
        }
        let expected = try Implementation.reference.encode(SFP8(), x, columns: x.count)
        let found = try Implementation.kernel(level).encode(SFP8(), x, columns: x.count)
        let difference = firstDifference(found, expected)
        #expect(
            difference == nil,
            "\(x[difference ?? 0]): \(found[difference ?? 0]), not \(expected[difference ?? 0])")
        for count in 0...70 {
            let part = Array(x[40000..<40000 + count])
            #expect(
                try Implementation.kernel(level).encode(SFP8(), part, columns: count)
                    == Array(expected[40000..<40000 + count]))
        }
    }

    @Test("larger values are errors", arguments: KernelLevel.available)
    func range(level: KernelLevel) throws {
        let implementation = Implementation.kernel(level)
        // 1.87890625 is the middle of 1.875 and the next BF16: it rounds to the even 1.875.
        #expect(try implementation.encode(SFP8(), [1.87890625, -1.87890625], columns: 2) == [0x7F, 0xFF])
        #expect(throws: CodecError.scaleOverflow(block: 1)) {
            try implementation.encode(SFP8(), [1, Float(1.87890625).nextUp], columns: 2)
        }
        #expect(throws: CodecError.scaleOverflow(block: 0)) {
            try implementation.encode(SFP8(), [-2], columns: 1)
        }
    }
}
