import NibbleCheckpoint
import NibbleEvaluation
import NibbleNumerics
import Testing

@Suite("What was announced of Gemma 3's memory")
struct AnnouncementTests {
    private static func billions(_ bytes: Int) -> Double { (Double(bytes) / 1e8).rounded() / 10 }

    @Test("is what its parameters come to")
    func computed() throws {
        let sizes = try Announcement.sizes()
        #expect(sizes.map(\.model.name) == ["gemma-3-1b", "gemma-3-4b", "gemma-3-12b", "gemma-3-27b"])
        for size in sizes {
            #expect(Self.billions(size.bf16) == size.published.bf16, "\(size.model.name)")
            #expect(Self.billions(size.int4) == size.published.int4, "\(size.model.name)")
            #expect(Self.billions(size.sfp8) == size.published.sfp8, "\(size.model.name)")
        }
        // Parameters as the configurations on the hub have them, those of the vision tower included.
        #expect(
            sizes.map(\.parameterCount) == [999_885_952, 4_300_079_472, 12_187_325_040, 27_432_406_640])
    }

    @Test("of the cache is nearest to 16 bits for all positions, and further from what its caption says")
    func cache() throws {
        for size in try Announcement.sizes() {
            let published = size.published.cache * 1e9
            let nearest = try #require(
                size.caches.min { abs(Double($0.bytes) - published) < abs(Double($1.bytes) - published) })
            #expect(nearest.type == .f16 && nearest.isFull, "\(size.model.name)")
        }
    }
}
