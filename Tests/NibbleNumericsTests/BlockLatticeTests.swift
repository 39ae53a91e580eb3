import NibbleTestSupport
import Testing

@testable import NibbleNumerics

@Suite("Lattices of blocks")
struct BlockLatticeTests {
    /// What blocks of 32 are: tested, on the lattice of Q4_0, and there with the scale that its codec chooses.
    private struct Found: Equatable {
        var tested = 0
        var onGrid = 0
        var onReferenceGrid = 0

        init(tested: Int = 0, onGrid: Int = 0, onReferenceGrid: Int = 0) {
            (self.tested, self.onGrid, self.onReferenceGrid) = (tested, onGrid, onReferenceGrid)
        }

        init(_ values: [Float], storedAs type: GGMLType) {
            guard let lattice = BlockLattice(.ggml(.q4_0)) else { return }
            for start in stride(from: 0, to: values.count, by: 32) {
                let block = Array(values[start..<start + 32])
                guard !BlockLattice.isSilent(block.span) else { continue }
                tested += 1
                onGrid += lattice.scale(of: block.span, storedAs: type) == nil ? 0 : 1
                onReferenceGrid += lattice.holdsCodecScale(of: block.span, storedAs: type) ? 1 : 0
            }
        }
    }

    private static let storages = [GGMLType.f32, .f16, .bf16]
    private static let blockCount = 2000

    @Test("weights as training leaves them lie on no grid", arguments: storages)
    func free(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 1)
        for scale: Float in [1, 0.02, 1e-3] {
            let weights = stored(random.normal(32 * Self.blockCount, scale: scale), as: storage)
            let found = Found(weights, storedAs: storage)
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
            let found = Found(try stored(through(Q4_0(), weights), as: storage), storedAs: storage)
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
        let found = Found(stored(values, as: storage), storedAs: storage)
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
        let found = Found(stored(values, as: storage), storedAs: storage)
        #expect(found.tested == Self.blockCount)
        #expect(found.onGrid == Self.blockCount)
        #expect(found.onReferenceGrid == 0)
    }

    @Test("a narrower type behind the stored one is recognized")
    func widened() throws {
        var random = SeededGenerator(seed: 5)
        let values = try through(Q4_0(), random.normal(32 * 100, scale: 0.05))
        let rounded = stored(values, as: .bf16)
        #expect(Found(rounded, storedAs: .f32).onReferenceGrid == 100)
        #expect(Found(stored(values, as: .f16), storedAs: .f32).onReferenceGrid == 100)
        let free = stored(random.normal(32 * 100), as: .bf16)
        #expect(
            Found(free, storedAs: .f32) == Found(free, storedAs: .bf16))
        #expect(Found(free, storedAs: .f32).onGrid == 0)
    }

    @Test(
        "grids of other types are not those of Q4_0",
        arguments: [GGMLType.q4_1, .q5_0, .q8_0, .q4_k, .iq4_nl])
    func otherGrids(type: GGMLType) throws {
        var random = SeededGenerator(seed: 6)
        let values = try through(type.testCodec, random.normal(256 * 100, scale: 0.05))
        for storage in Self.storages {
            let found = Found(stored(values, as: storage), storedAs: storage)
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
            let found = Found(stored(values, as: storage), storedAs: storage)
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
        #expect(Found(grid, storedAs: storage).onGrid == 1)
        var moved = 0
        for index in grid.indices where grid[index] != 0 {
            for sign: Float in [1, -1] {
                var values = grid
                values[index] += sign * unit * values[index].binade
                let found = Found(stored(values, as: storage), storedAs: storage)
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
        #expect(Found(zeros, storedAs: .f32) == Found())
        #expect(Found(equal, storedAs: .f32).tested == 0)
        #expect(Found(grid, storedAs: .f32).onReferenceGrid == 1)
        let all = zeros + equal + grid + grid
        let found = Found(all, storedAs: .f32)
        #expect(found.tested == 2 && found.onGrid == 2 && found.onReferenceGrid == 2)
    }

    @Test("the code 8 does not exist")
    func eight() {
        // Both extremes: -8 and 8 steps; no scale fits.
        let values = (0..<32).map { Float($0 % 17 - 8) }
        let found = Found(values, storedAs: .f32)
        #expect(found.tested == 1 && found.onGrid == 0)
        let within = (0..<32).map { Float($0 % 15 - 7) }
        let other = Found(within, storedAs: .f32)
        #expect(other.tested == 1 && other.onGrid == 1 && other.onReferenceGrid == 0)
    }

    @Test("infinite and NaN values lie on no grid")
    func nonFinite() {
        for bad in [Float.infinity, -.infinity, .nan] {
            var values = (0..<32).map { Float($0 % 16 - 8) }
            values[9] = bad
            let found = Found(values, storedAs: .f32)
            #expect(found.tested == 1 && found.onGrid == 0)
        }
    }

    @Test("a block of one magnitude has that as its scale, with both signs")
    func oneMagnitude() throws {
        let lattice = try #require(BlockLattice(.ggml(.q4_0)))
        let both = (0..<32).map { Float($0 % 3 - 1) * 0.375 }
        #expect(
            lattice.scale(of: both.span, storedAs: .bf16)
                == .init(value: 0.375, isExact: true, isPortable: true))
        // The codec's where it fits.
        let one = both.map { max($0, 0) }
        #expect(lattice.scale(of: one.span, storedAs: .bf16)?.value == 0.375 / -8)
        let zeros = [Float](repeating: 0, count: 32)
        #expect(lattice.scale(of: zeros.span, storedAs: .bf16)?.value == 0)
    }

    @Test("formats of several scales, minima, other levels or eight bits have none")
    func formats() {
        let formats = GGMLType.allCases.filter { BlockLattice(.ggml($0)) != nil }
        #expect(formats == [.q4_0, .q5_0])
        #expect(BlockLattice(.int4(group: 32)) != nil && BlockLattice(.sfp8) == nil)
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
