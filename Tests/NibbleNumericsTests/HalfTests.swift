import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("16-bit floating point")
struct HalfTests {
    @Test("every BF16 survives")
    func bf16Identity() {
        for bits in 0...UInt16.max {
            let value = Half.float(bf16: bits)
            #expect(value.bitPattern == UInt32(bits) << 16)
            // NaN becomes quiet.
            #expect(Half.bf16(value) == (value.isNaN ? bits | 64 : bits))
        }
    }

    @Test("BF16 rounds to the nearest, ties to even")
    func bf16Rounding() {
        for bits in UInt16(0)..<0x7F7F {
            let (low, high) = (Half.float(bf16: bits), Half.float(bf16: bits + 1))
            let middle = Float((Double(low) + Double(high)) / 2)
            #expect(Half.bf16(middle) == (bits.isMultiple(of: 2) ? bits : bits + 1))
            #expect(Half.bf16(middle.nextDown) == bits)
            #expect(Half.bf16(middle.nextUp) == bits + 1)
            #expect(Half.bf16(-middle.nextUp) == (bits + 1) | 0x8000)
        }
        #expect(Half.bf16(.greatestFiniteMagnitude) == 0x7F80)
        #expect(Half.bf16(0x1.FEFFFEp127) == 0x7F7F)
    }

    @Test("every half survives")
    func f16Identity() {
        for bits in 0...UInt16.max where bits & 0x7C00 != 0x7C00 || bits & 0x3FF == 0 {
            #expect(Half.f16(Half.float(f16: bits)) == bits)
        }
        #expect(Half.float(f16: 0x7C01).isNaN)
    }

    @Test("halves round to the nearest, ties to even")
    func f16Rounding() {
        for bits in UInt16(0)..<0x7BFF {
            let (low, high) = (Half.float(f16: bits), Half.float(f16: bits + 1))
            let middle = (low + high) / 2
            #expect(Half.f16(middle) == (bits.isMultiple(of: 2) ? bits : bits + 1))
            #expect(Half.f16(middle.nextDown) == bits)
            #expect(Half.f16(middle.nextUp) == bits + 1)
        }
        #expect(Half.f16(65519.996) == 0x7BFF)
        #expect(Half.f16(65520) == 0x7C00)
    }
}
