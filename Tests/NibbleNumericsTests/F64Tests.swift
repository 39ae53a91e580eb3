import NibbleNumerics
import Testing

@Suite("F64, which is only read")
struct F64Tests {
    private func bytes(_ values: [Double]) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    }

    private func decoded(_ values: [Double]) -> [Float] {
        var result = [Float](repeating: -1, count: values.count)
        var span = result.mutableSpan
        F64().decode(bytes(values).span.bytes, columns: values.count, into: &span)
        return result
    }

    @Test("Values become the nearest Float, ties to even")
    func rounding() {
        #expect(decoded([]) == [])
        #expect(decoded([1, -0.5, 0, 1e-50]) == [1, -0.5, 0, 0])
        // Halfway between 1 and the next Float, between that and the one after, and just above.
        let step = Double(Float.ulpOfOne)
        #expect(
            decoded([1 + step / 2, 1 + 1.5 * step, 1 + step / 2 + 1e-15]) == [
                1, 1 + 2 * .ulpOfOne, 1 + .ulpOfOne,
            ])
        #expect(decoded([-0.0])[0].sign == .minus)
    }

    @Test("What a Float cannot hold is found before it is copied")
    func invalid() {
        #expect(GGMLType.f64.firstInvalidBlock(in: bytes([1, 2, 3]).span.bytes) == nil)
        for value in [Double.nan, .infinity, -.infinity, 1e300] {
            #expect(GGMLType.f64.firstInvalidBlock(in: bytes([1, 2, value]).span.bytes) == 2)
        }
    }

    @Test("It has the layout of its type, and is not written")
    func layout() {
        #expect(GGMLType.f64.codec?.name == "F64")
        #expect(F64().byteCount(columns: 3) == 24 && F64().byteCount(columns: -1) == nil)
        #expect(!GGMLType.f64.isEncodable)
    }
}
