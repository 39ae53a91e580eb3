/// How a block format places the values that it can hold: in each part of a block they are
///
///     x = scale · level - minimum
///
/// with a level for each code, a scale for each part and, where the type has such, a minimum; each operation is rounded.
package struct GridShape: Sendable, Equatable {
    /// Elements that share a scale and a minimum.
    package let partSize: Int
    /// What codes stand for.
    package let levels: GridLevels
    /// Which scales can be stored.
    package let scales: GridSteps
    /// Which minima; nil where there are none.
    package let minima: GridSteps?

    init(partSize: Int, levels: GridLevels, scales: GridSteps = .portable, minima: GridSteps? = nil) {
        self.partSize = partSize
        self.levels = levels
        self.scales = scales
        self.minima = minima
    }
}

/// The levels of a grid, in ascending order: the first is that of the first code.
package enum GridLevels: Sendable, Equatable {
    /// Integers.
    case integers(ClosedRange<Int>)
    /// The sixteen of ``IQ4_NL``, denser around zero.
    case nonLinear

    /// How many there are.
    var count: Int {
        switch self {
        case .integers(let range): range.count
        case .nonLinear: NonLinearTable.levels.count
        }
    }

    /// The level of a code, the first being 0.
    func level(_ code: Int) -> Float {
        switch self {
        case .integers(let range): Float(code + range.lowerBound)
        case .nonLinear: NonLinearTable.levels[code]
        }
    }

    /// The code of a level, or of the level nearest to a position.
    func code(_ position: Float) -> Int {
        switch self {
        case .integers(let range): Int(nearest(position)) - range.lowerBound
        case .nonLinear: Int(NonLinearTable.nearest(position))
        }
    }

    /// The level nearest to a position; ties go up, or away from zero where levels are symmetric. NaN gives some level.
    @inline(__always)
    package func nearest(_ position: Float) -> Float {
        switch self {
        case .integers(let range):
            let (lowest, highest) = (Float(range.lowerBound), Float(range.upperBound))
            guard lowest != -highest else {
                guard position > lowest else { return lowest }
                return position < highest ? position.rounded(.toNearestOrAwayFromZero) : highest
            }
            let shifted = position + (0.5 - lowest)
            guard shifted > 0 else { return lowest }
            return shifted < highest - lowest + 0.5 ? shifted.rounded(.down) + lowest : highest
        case .nonLinear: return NonLinearTable.levels[Int(NonLinearTable.nearest(position))]
        }
    }

    /// The level nearest to a position, to the last bit of it; ties go away from zero. ``nearest(_:)`` has the codec's
    /// arithmetic, which adds before it rounds.
    package func rounded(_ position: Float) -> Float {
        guard case .integers = self else { return nearest(position) }
        return min(max(position.rounded(), bounds.lowest), bounds.highest)
    }

    /// The first and the last level.
    package var bounds: (lowest: Float, highest: Float) {
        switch self {
        case .integers(let range): (Float(range.lowerBound), Float(range.upperBound))
        case .nonLinear: (NonLinearTable.levels[0], NonLinearTable.levels[15])
        }
    }
}

/// Which scales or minima a part of a block can have.
package enum GridSteps: Sendable, Equatable {
    /// Numbers of 8 significant bits that halves and BF16 have both (``ScaledBlocks/portable(_:)``).
    case portable
    /// BF16 numbers; 0 in the place of those so small that their reciprocal is infinite.
    case bfloat16
    /// Multiples of the number that the block stores for all of its parts.
    case multiples(ClosedRange<Int>)

    /// The one that is nearest to `wanted`.
    ///
    /// - Parameter unit: what multiples are of.
    package func nearest(_ wanted: Float, unit: Float) -> Float {
        switch self {
        case .portable: return ScaledBlocks.portable(wanted)
        case .bfloat16:
            let nearest = Half.float(bf16: Half.bf16(wanted))
            return (1 / nearest).isFinite ? nearest : 0
        case .multiples(let range):
            let multiple = wanted / unit
            guard multiple.isFinite else { return 0 }
            return unit
                * min(max(multiple.rounded(), Float(range.lowerBound)), Float(range.upperBound))
        }
    }

    /// What is nearest to `wanted`, and next to it on both sides; that one alone where numbers are dense.
    package func candidates(_ wanted: Float, unit: Float) -> [Float] {
        let nearest = nearest(wanted, unit: unit)
        guard case .multiples(let range) = self, unit != 0 else { return [nearest] }
        let multiple = (nearest / unit).rounded()
        return [multiple - 1, multiple, multiple + 1]
            .filter { Float(range.lowerBound) <= $0 && $0 <= Float(range.upperBound) }.map { unit * $0 }
    }
}
