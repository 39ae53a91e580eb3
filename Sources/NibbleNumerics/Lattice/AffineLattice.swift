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
    ///   - prefersPortable: whether of the scales that fit one of 8 significant bits is taken, a multiple of which is the
    ///     minimum: what asymmetric integers with a zero point have.
    package func scale(
        of block: Span<Float>, storedAs type: GGMLType, prefersPortable: Bool = true
    ) -> BlockLattice.Scale? {
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
                let search = AffineSearch(block, lowest, step, shifts: 0...(limit - steps), rounding)
                return search.scale(prefersPortable: prefersPortable)
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
}

/// Looks for the halves with which the codes of a block decode to its values, as they are stored.
private struct AffineSearch {
    private let values: [Float]
    private let codes: [Float]
    private let shifts: ClosedRange<Int>
    private let rounding: StorageRounding
    /// Least squares of value = slope code + first.
    private let (slope, first): (Float, Float)

    /// - Parameters:
    ///   - step: about what a code's step is worth.
    ///   - shifts: what may be added to the codes of a block whose lowest is 0.
    init(
        _ block: Span<Float>, _ lowest: Float, _ step: Float, shifts: ClosedRange<Int>,
        _ rounding: StorageRounding
    ) {
        (self.shifts, self.rounding) = (shifts, rounding)
        values = block.indices.map { block[$0] }
        codes = values.map { (($0 - lowest) / step).rounded() }
        let count = Float(codes.count)
        let (mean, average) = (codes.reduce(0, +) / count, values.reduce(0, +) / count)
        var (products, squares): (Float, Float) = (0, 0)
        for (code, value) in zip(codes, values) {
            products += (code - mean) * (value - average)
            squares += (code - mean) * (code - mean)
        }
        slope = products / squares
        first = average - products / squares * mean
    }

    func scale(prefersPortable: Bool) -> BlockLattice.Scale {
        let portable = portable
        if prefersPortable, let portable { return portable }
        let halves = BlockLattice.ScaleStorage.half
        var nearest: BlockLattice.Scale?
        for shift in shifts {
            for scale in halves.around(slope, reach: 3) {
                for minimum in halves.around(Float(shift) * scale - first, reach: 3) {
                    let isExact = fits(scale, minimum, shift)
                    let found = BlockLattice.Scale(
                        value: scale, minimum: minimum, isExact: isExact, isPortable: portable != nil)
                    if isExact { return found }
                    nearest = nearest ?? found
                }
            }
        }
        return portable ?? nearest ?? .init(value: slope, minimum: -first, isExact: false, isPortable: false)
    }

    /// A scale of 8 significant bits, and a multiple of it as minimum, that fit; nil where there are none.
    private var portable: BlockLattice.Scale? {
        func isHalf(_ value: Float) -> Bool { Half.float(f16: Half.f16(value)) == value }
        // With its neighbors of 8 bits: values in BF16 leave more than one open.
        let nearest = ScaledBlocks.portable(slope)
        let step = nearest.binade * 0x1p-7
        for scale in [nearest, nearest - step, nearest + step] where scale > 0 && isHalf(scale) {
            for shift in shifts {
                let minimum = ((Float(shift) * scale - first) / scale).rounded() * scale
                guard isHalf(minimum), fits(scale, minimum, shift) else { continue }
                return .init(value: scale, minimum: minimum, isExact: true, isPortable: true)
            }
        }
        return nil
    }

    private func fits(_ scale: Float, _ minimum: Float, _ shift: Int) -> Bool {
        zip(codes, values).allSatisfy { code, value in
            rounding.stores(scale * (code + Float(shift)) - minimum, as: value)
        }
    }
}
