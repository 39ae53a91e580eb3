import NibbleQuantization
import Testing

@Suite("Statistics and merging of importance matrices")
struct ImportanceStatisticsTests {
    @Test("are those of the formulas")
    func figures() throws {
        let matrix = ImportanceMatrix(
            path: "a",
            weights: [
                "blk.0.ffn_up.weight": [1, 1, 1, 1], "blk.1.ffn_up.weight": [4, 0, 0, 0],
                "output.weight": [0, 0],
            ])
        let found = matrix.statistics
        try #require(found.map(\.name) == ["blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "output.weight"])
        #expect(found[0].total == 4 && found[0].mean == 1 && found[0].deviation == 0)
        #expect(found[0].entropy == 2 && found[0].evenness == 1 && found[0].active == 1)
        #expect(found[0].outstanding == 0 && found[0].similarity == nil && found[0].layer == 0)
        // Mean 1, mean of squares 4, deviation √3: one column of four lies above 1 + √3.
        #expect(found[1].minimum == 0 && found[1].maximum == 4 && abs(found[1].deviation - 1.7320508) < 1e-6)
        #expect(found[1].entropy == 0 && found[1].active == 0.25 && found[1].outstanding == 0.25)
        // (1, 1, 1, 1) and (4, 0, 0, 0): 4 / (2 · 4).
        #expect(found[1].similarity == 0.5)
        #expect(found[2].layer == nil && found[2].total == 0 && found[2].entropy == 0)
    }

    @Test("Merging weighs by tokens, and names what does not fit")
    func merging() throws {
        var first = ImportanceMatrix(
            path: "a", weights: ["x": [1, 2]], datasets: ["s"], chunkCount: 1, chunkSize: 32)
        var second = ImportanceMatrix(
            path: "b", weights: ["x": [4, 5], "y": [3]], chunkCount: 2, chunkSize: 32)
        let merged = try ImportanceMatrix.merged([first, second], chunkSize: 32, path: "c")
        #expect(merged.weights == ["x": [3, 4], "y": [3]])
        #expect(merged.counts == ["x": [96], "y": [64]])
        #expect(
            merged.chunkCount == 3 && merged.chunkSize == 32 && merged.datasets == ["s"] && merged.path == "c"
        )
        // Counts of its own come before chunks.
        first.counts["x"] = [64]
        #expect(
            try ImportanceMatrix.merged([first, second], chunkSize: 32, path: "c").weights["x"] == [2.5, 3.5])
        second.weights["x"] = [1, 2, 3]
        #expect(throws: (any Error).self) {
            try ImportanceMatrix.merged([first, second], chunkSize: 32, path: "c")
        }
    }

    @Test("Experts that saw no token weigh nothing in a merge")
    func experts() throws {
        var first = ImportanceMatrix(path: "a", weights: ["x": [2, 2, 1, 1]])
        first.counts["x"] = [10, 0]
        var second = ImportanceMatrix(path: "b", weights: ["x": [4, 4, 6, 6]])
        second.counts["x"] = [10, 5]
        let merged = try ImportanceMatrix.merged([first, second], chunkSize: 1, path: "c")
        #expect(merged.weights["x"] == [3, 3, 6, 6] && merged.counts["x"] == [20, 5])
        second.counts["x"] = [0, 0]
        first.counts["x"] = [0, 0]
        #expect(
            try ImportanceMatrix.merged([first, second], chunkSize: 1, path: "c").weights["x"] == [
                1, 1, 1, 1,
            ])
    }
}
