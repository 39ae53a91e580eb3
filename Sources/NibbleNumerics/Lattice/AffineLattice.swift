/// The lattice of a block format with a free scale and a free minimum: the values s k - m, k an integer of 0 and above. The
/// affine sibling of ``BlockLattice``.
///
/// The smallest and the largest value of a block have codes that lie some number of steps apart, which gives the step for each
/// number that is tried; then every other value has one possible code. Codes are known up to what all of them share, and up to a
/// shift that the minimum takes up.
package struct AffineLattice: Sendable, Hashable {
    /// The largest code.
    private let limit: Int

    /// Nil for formats but those of one free scale and one free minimum a block: Q4_1, Q5_1.
    package init?(_ format: WeightFormat) {
        guard case .ggml(let type) = format, let grid = type.gridCodec?.grid, grid.minima == .portable,
            case .integers(let levels) = grid.levels
        else { return nil }
        limit = levels.upperBound
    }

    /// Scale and minimum of a block on the lattice; nil where it is not, or values are so far from zero that any would lie on it.
    ///
    /// - Parameters:
    ///   - block: finite values.
    ///   - type: how they are stored, F32, F16 or BF16.
    package func scale(of block: Span<Float>, storedAs type: GGMLType) -> BlockLattice.Scale? {
        var (lowest, highest): (Float, Float) = (.infinity, -.infinity)
        var bits: UInt32 = 0
        for index in block.indices {
            bits |= block[index].bitPattern
            lowest = min(lowest, block[index])
            highest = max(highest, block[index])
        }
        let range = highest - lowest
        guard range.isFinite, range > 0 else { return nil }
        let rounding = StorageRounding(bits: bits, type: type)
        let error = 2 * max(rounding(lowest.magnitude), rounding(highest.magnitude))
        // Where the codec's own choice fits, blocks become the codec's; of others the coarsest.
        for steps in [limit] + (1..<limit) {
            let step = range / Float(steps)
            guard error < step / 4 else { continue }
            if fits(block, lowest, step, error) {
                return scale(of: block, lowest, step, steps: steps, rounding)
            }
        }
        return nil
    }

    /// Whether all values lie whole steps above the lowest.
    private func fits(_ block: Span<Float>, _ lowest: Float, _ step: Float, _ error: Float) -> Bool {
        for index in block.indices {
            let above = block[index] - lowest
            if (above - (above / step).rounded() * step).magnitude > error { return false }
        }
        return true
    }

    /// Halves with which the codes of a block decode to its values, as they are stored; else the nearest ones.
    private func scale(
        of block: Span<Float>, _ lowest: Float, _ step: Float, steps: Int, _ rounding: StorageRounding
    ) -> BlockLattice.Scale {
        let codes = block.indices.map { ((block[$0] - lowest) / step).rounded() }
        // Least squares of value = step code + first.
        let count = Float(codes.count)
        let (mean, average) = (
            codes.reduce(0, +) / count, block.indices.reduce(0) { $0 + block[$1] } / count
        )
        var (products, squares): (Float, Float) = (0, 0)
        for (index, code) in codes.enumerated() {
            products += (code - mean) * (block[index] - average)
            squares += (code - mean) * (code - mean)
        }
        let (slope, first) = (products / squares, average - products / squares * mean)
        let halves = BlockLattice.ScaleStorage.half
        var nearest: BlockLattice.Scale?
        for shift in 0...(limit - steps) {
            for scale in halves.around(slope, reach: 3) {
                let wanted = Float(shift) * scale - first
                for minimum in halves.around(wanted, reach: 3) {
                    let isExact = codes.indices.allSatisfy { index in
                        rounding.stores(scale * (codes[index] + Float(shift)) - minimum, as: block[index])
                    }
                    let found = BlockLattice.Scale(
                        value: scale, minimum: minimum, isExact: isExact, isPortable: false)
                    if isExact { return found }
                    nearest = nearest ?? found
                }
            }
        }
        return nearest ?? .init(value: slope, minimum: -first, isExact: false, isPortable: false)
    }
}
