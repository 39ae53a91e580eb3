import NibbleNumerics
import Testing

@Suite("GGML types")
struct GGMLTypeTests {
    @Test("the codecs are those of the documentation")
    func codecs() {
        #expect(
            GGMLType.readable.map(\.description) == [
                "F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "IQ1_M",
                "BF16", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0",
            ])
        #expect(
            GGMLType.encodable.map(\.description).joined(separator: " ")
                == "F32 F16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS BF16 Q2_0")
        let weighted = GGMLType.readable.filter { $0.codec?.usesImportance == true }
        #expect(
            weighted == [
                .q4_0, .q4_1, .q5_0, .q5_1, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq4_nl, .iq4_xs,
            ])
    }

    @Test("a codec has the layout of its type", arguments: GGMLType.readable)
    func layout(type: GGMLType) throws {
        let codec = try type.testCodec
        #expect(codec.name == type.description)
        #expect(codec.blockSize == type.blockSize)
        #expect(codec.byteCount(columns: 0) == 0)
        #expect(codec.byteCount(columns: type.blockSize) == type.blockBytes)
        #expect(codec.byteCount(columns: 3 * type.blockSize) == 3 * type.blockBytes)
        #expect(codec.byteCount(columns: -type.blockSize) == nil)
        if type.blockSize > 1 { #expect(codec.byteCount(columns: type.blockSize + 1) == nil) }
    }

    @Test("names are read in either case")
    func names() {
        for type in GGMLType.allCases {
            #expect(GGMLType(type.description) == type)
            #expect(GGMLType(type.description.lowercased()) == type)
        }
        #expect(GGMLType("q4_2") == nil)
        #expect(GGMLType("") == nil)
    }

    @Test("byte counts do not overflow")
    func byteCount() {
        #expect(GGMLType.q4_0.byteCount(elements: 64) == 36)
        #expect(GGMLType.q4_0.byteCount(elements: 65) == nil)
        #expect(GGMLType.q4_0.byteCount(elements: -32) == nil)
        #expect(GGMLType.f64.byteCount(elements: .max) == nil)
        #expect(GGMLType.f32.byteCount(elements: .max / 4) == .max / 4 * 4)
    }

    @Test("withdrawn numbers are no types", arguments: [4, 5, 31, 32, 33, 36, 37, 38, 43, 1000] as [UInt32])
    func withdrawn(number: UInt32) { #expect(GGMLType(rawValue: number) == nil) }

    @Test("bits per weight")
    func bitsPerWeight() {
        #expect(GGMLType.q4_0.bitsPerWeight == 4.5)
        #expect(GGMLType.q6_k.bitsPerWeight == 6.5625)
    }
}
