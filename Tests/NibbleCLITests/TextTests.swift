import Testing

@testable import NibbleCLI

@Suite("Figures as people read them")
struct TextTests {
    @Test("are grouped by thousands")
    func grouped() {
        #expect(
            [0, 12, 999, 1000, 32_768, 1_234_567].map(Text.grouped) == [
                "0", "12", "999", "1,000", "32,768", "1,234,567",
            ])
        #expect(Text.grouped(-1000) == "-1,000")
    }

    @Test("are drawn as bars, several in one where there are many, and gaps for what is no number")
    func sparkline() {
        #expect(Text.sparkline([]) == "")
        #expect(Text.sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█")
        #expect(Text.sparkline([2, 2]) == "▄▄" && Text.sparkline([.nan, 1, 2]) == " ▁█")
        #expect(Text.sparkline([.nan]) == " ")
        #expect(Text.sparkline((0..<400).map(Double.init)).count == 40)
        #expect(Text.sparkline([1, 3, 5, 7], width: 2) == "▁█")
    }
}
