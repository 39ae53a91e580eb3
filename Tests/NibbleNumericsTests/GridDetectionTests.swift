import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Grid detection")
struct GridDetectionTests {
    private static let storages = [GGMLType.f32, .f16, .bf16]
    private static let blockCount = 2000

    @Test("weights as training leaves them lie on no grid", arguments: storages)
    func free(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 1)
        for scale: Float in [1, 0.02, 1e-3] {
            let weights = stored(random.normal(32 * Self.blockCount, scale: scale), as: storage)
            let found = GridDetection.count(weights.span, storedAs: storage)
            #expect(found.tested == Self.blockCount)
            #expect(found.onGrid == 0)
            #expect(found.onReferenceGrid == 0)
        }
    }

    @Test("dequantized Q4_0 lies on the grid of Q4_0", arguments: storages)
    func dequantized(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 2)
        for scale: Float in [1, 0.02] {
            let weights = random.normal(32 * Self.blockCount, scale: scale)
            let found = GridDetection.count(
                try stored(through(Q4_0(), weights), as: storage).span, storedAs: storage)
            #expect(found.tested == Self.blockCount)
            #expect(found.onGrid == Self.blockCount)
            #expect(found.onReferenceGrid == Self.blockCount)
        }
    }

    @Test("dequantized Q4_0 with importance lies on a grid", arguments: storages)
    func importance(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 3)
        let weights = random.normal(32 * Self.blockCount, scale: 0.05)
        let importance = (0..<32).map { _ in random.uniform() }
        let values = try through(Q4_0(), weights, importance: importance)
        let found = GridDetection.count(stored(values, as: storage).span, storedAs: storage)
        #expect(found.tested == Self.blockCount)
        #expect(found.onGrid == Self.blockCount)
    }

    @Test("absmax / 7 is a grid, but not that of Q4_0", arguments: storages)
    func symmetric(storage: GGMLType) {
        var random = SeededGenerator(seed: 4)
        var values: [Float] = []
        for _ in 0..<Self.blockCount {
            let block = random.normal(32, scale: 0.05)
            let scale = block.reduce(0) { max($0, $1.magnitude) } / 7
            values += block.map { ($0 / scale).rounded(.toNearestOrEven) * scale }
        }
        let found = GridDetection.count(stored(values, as: storage).span, storedAs: storage)
        #expect(found.tested == Self.blockCount)
        #expect(found.onGrid == Self.blockCount)
        #expect(found.onReferenceGrid == 0)
    }

    @Test("a narrower type behind the stored one is recognized")
    func widened() throws {
        var random = SeededGenerator(seed: 5)
        let values = try through(Q4_0(), random.normal(32 * 100, scale: 0.05))
        let rounded = stored(values, as: .bf16)
        #expect(GridDetection.count(rounded.span, storedAs: .f32).onReferenceGrid == 100)
        #expect(GridDetection.count(stored(values, as: .f16).span, storedAs: .f32).onReferenceGrid == 100)
        let free = stored(random.normal(32 * 100), as: .bf16)
        #expect(
            GridDetection.count(free.span, storedAs: .f32) == GridDetection.count(free.span, storedAs: .bf16))
        #expect(GridDetection.count(free.span, storedAs: .f32).onGrid == 0)
    }

    @Test(
        "grids of other types are not those of Q4_0",
        arguments: [GGMLType.q4_1, .q5_0, .q8_0, .q4_k, .iq4_nl])
    func otherGrids(type: GGMLType) throws {
        var random = SeededGenerator(seed: 6)
        let values = try through(type.testCodec, random.normal(256 * 100, scale: 0.05))
        for storage in Self.storages {
            let found = GridDetection.count(stored(values, as: storage).span, storedAs: storage)
            #expect(found.tested == 800)
            // A sub-block of Q4_K may happen to have a minimum of whole steps.
            #expect(found.onGrid < 8)
        }
    }

    @Test("one value off the grid takes its block off", arguments: storages)
    func oneValue(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 7)
        let grid = try stored(through(Q4_0(), random.normal(32 * 8)), as: storage)
        for index in 0..<32 {
            var values = grid
            let step = values[..<32].filter { $0 != 0 }.map(\.magnitude).min() ?? 0
            values[index] += step * 0.4
            let found = GridDetection.count(stored(values, as: storage).span, storedAs: storage)
            #expect(found.tested == 8)
            #expect(found.onGrid == 7, "index \(index)")
        }
    }

    @Test("the window is as narrow as the storage", arguments: storages)
    func window(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 8)
        let grid = try stored(through(Q4_0(), random.normal(32)), as: storage)
        // Three units in the last place of BF16 and half; 2^-16 of an F32.
        let unit: Float =
            switch storage {
            case .bf16: 3 * 0x1p-7
            case .f16: 3 * 0x1p-10
            default: 0x1p-16
            }
        #expect(GridDetection.count(grid.span, storedAs: storage).onGrid == 1)
        var moved = 0
        for index in grid.indices where grid[index] != 0 {
            for sign: Float in [1, -1] {
                var values = grid
                values[index] += sign * unit * values[index].binade
                let found = GridDetection.count(stored(values, as: storage).span, storedAs: storage)
                #expect(found.tested == 1 && found.onGrid == 0, "index \(index)")
                moved += 1
            }
        }
        #expect(moved > 40)
    }

    @Test("blocks that say nothing are not counted")
    func silent() {
        let zeros = [Float](repeating: 0, count: 32)
        let equal = (0..<32).map { Float($0 % 3 - 1) * 0.37 }
        let grid = (0..<32).map { Float($0 % 16 - 8) * 0.37 }
        #expect(GridDetection.count(zeros.span, storedAs: .f32) == GridDetection())
        #expect(GridDetection.count(equal.span, storedAs: .f32).tested == 0)
        #expect(GridDetection.count(grid.span, storedAs: .f32).onReferenceGrid == 1)
        #expect(GridDetection.count(Array(grid.dropLast()).span, storedAs: .f32).tested == 0)
        let all = zeros + equal + grid + grid + grid.dropLast()
        let found = GridDetection.count(all.span, storedAs: .f32)
        #expect(found.tested == 2 && found.onGrid == 2 && found.onReferenceGrid == 2)
    }

    @Test("the code 8 does not exist")
    func eight() {
        // Both extremes: -8 and 8 steps; no scale fits.
        let values = (0..<32).map { Float($0 % 17 - 8) }
        let found = GridDetection.count(values.span, storedAs: .f32)
        #expect(found.tested == 1 && found.onGrid == 0)
        let within = (0..<32).map { Float($0 % 15 - 7) }
        let other = GridDetection.count(within.span, storedAs: .f32)
        #expect(other.tested == 1 && other.onGrid == 1 && other.onReferenceGrid == 0)
    }

    @Test("infinite and NaN values lie on no grid")
    func nonFinite() {
        for bad in [Float.infinity, -.infinity, .nan] {
            var values = (0..<32).map { Float($0 % 16 - 8) }
            values[9] = bad
            let found = GridDetection.count(values.span, storedAs: .f32)
            #expect(found.tested == 1 && found.onGrid == 0)
        }
    }

    @Test("counts add up")
    func sum() {
        let grid = (0..<64).map { Float($0 % 16 - 8) }
        var total = GridDetection()
        total += GridDetection.count(grid.span, storedAs: .f32)
        total += GridDetection.count(grid.span, storedAs: .f32)
        #expect(total.tested == 4 && total.onGrid == 4 && total.onReferenceGrid == 4)
    }

    private func through(_ codec: any Codec, _ values: [Float], importance: [Float]? = nil) throws -> [Float]
    {
        let columns = importance?.count ?? values.count
        let bytes = try Implementation.reference.encode(
            codec, values, columns: columns, importance: importance)
        return Implementation.reference.decode(codec, bytes, columns: columns, rows: values.count / columns)
    }

    private func stored(_ values: [Float], as type: GGMLType) -> [Float] {
        switch type {
        case .f16: values.map { Half.float(f16: Half.f16($0)) }
        case .bf16: values.map { Half.float(bf16: Half.bf16($0)) }
        default: values
        }
    }
}
