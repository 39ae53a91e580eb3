import NibbleEvaluation
import Testing

@Suite("Percentiles")
struct PercentilesTests {
    @Test("Four values, by hand")
    func four() {
        let percentiles = Percentiles([8, 1, 4, 2])
        #expect(percentiles.sorted == [1, 2, 4, 8])
        #expect(percentiles.minimum == 1)
        #expect(percentiles.maximum == 8)
        #expect(percentiles.median == 3)
        // p = 0.5 · 3 = 1.5: half of 2 and half of 4.
        #expect(percentiles.value(at: 0.5) == 3)
        // p = 0.25 · 3 = 0.75: 0.25 · 1 + 0.75 · 2
        #expect(percentiles.value(at: 0.25) == 1.75)
        // p = 0.75 · 3 = 2.25: 0.75 · 4 + 0.25 · 8
        #expect(percentiles.value(at: 0.75) == 5)
        #expect(percentiles.value(at: -1) == 1)
        #expect(percentiles.value(at: 2) == 8)
    }

    @Test("One value is every percentile", arguments: [0, 0.001, 0.5, 0.999, 1] as [Float])
    func one(fraction: Float) {
        #expect(Percentiles([7]).value(at: fraction) == 7)
        #expect(Percentiles([7]).median == 7)
    }

    @Test("The middle of an odd number of values is one of them")
    func odd() {
        #expect(Percentiles([3, 1, 2]).median == 2)
    }

    @Test("No value has no percentile")
    func none() {
        #expect(Percentiles([]).value(at: 0.5).isNaN)
        #expect(Percentiles([]).median.isNaN)
        #expect(Percentiles([]).maximum.isNaN)
    }
}
