internal import NibbleNumerics

/// Some columns of a row, parts of a block, while their scales, minima and codes have their turn in a
/// ``CoordinateDescent``.
struct BlockDescent {
    private let grid: WeightGrid
    private let width: Int
    /// What of A belongs to the columns, `[width][width]`.
    private let square: UnsafePointer<Float>
    /// Of each part the sum of its rows of A, `[parts][width]`.
    private let sums: UnsafePointer<Float>
    /// Levels, and g.
    private let levels: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
    /// A times the levels of a part.
    private let product: UnsafeMutablePointer<Float>

    /// Floats of scratch memory that some columns take.
    static func scratch(_ width: Int) -> Int { 3 * width }

    /// - Parameters:
    ///   - square: the part of A that belongs to the columns.
    ///   - sums: of each of their parts the sum of its rows.
    ///   - scratch: memory for ``scratch(_:)`` floats.
    init(
        grid: WeightGrid, width: Int, square: UnsafePointer<Float>, sums: UnsafePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        self.grid = grid
        self.width = width
        self.square = square
        self.sums = sums
        (levels, gradient, product) = (scratch, scratch + width, scratch + 2 * width)
    }

    /// Takes over what is known of the columns.
    ///
    /// - Parameter gradient: g of the columns.
    func begin(gradient: UnsafePointer<Float>) { self.gradient.update(from: gradient, count: width) }

    /// Columns of a part among these.
    private func columns(_ part: Int) -> Range<Int> {
        let size = min(grid.shape.partSize, width)
        return part * size..<(part + 1) * size
    }

    /// A part of a block, while it has its turn.
    struct Part {
        /// Its place among the parts of these columns.
        let index: Int
        /// Its scale and minimum, and what they are multiples of.
        var scale: Float, minimum: Float
        let scaleUnit: Float, minimumUnit: Float
    }

    /// Takes over the levels of a part from the values that they decode to.
    func load(_ part: Part, _ values: UnsafePointer<Float>) {
        for column in columns(part.index) {
            levels[column] = grid.level(of: values[column], scale: part.scale, minimum: part.minimum)
        }
    }

    /// Puts what the weights of a part are decoded to into `target`.
    func decode(_ part: Part, into target: UnsafeMutablePointer<Float>) {
        for column in columns(part.index) { target[column] = part.scale * levels[column] - part.minimum }
    }

    /// Takes the scale and the minimum that are best for the levels of a part.
    func chooseParameters(_ part: inout Part) {
        let columns = columns(part.index)
        product.update(repeating: 0, count: width)
        for row in columns where levels[row] != 0 {
            let (level, values) = (levels[row], square + row * width)
            for column in 0..<width { product[column] += values[column] * level }
        }
        var (curvature, slope): (Float, Float) = (0, 0)
        for column in columns {
            curvature += product[column] * levels[column]
            slope += gradient[column] * levels[column]
        }
        guard curvature > 0 else { return }
        guard let minima = grid.shape.minima else {
            let found = grid.shape.scales.nearest(part.scale - slope / curvature, unit: part.scaleUnit)
            // Neither 0 nor of the other sign, where codes would mean something else.
            guard found.isFinite, found * part.scale > 0, found != part.scale else { return }
            let change = found - part.scale
            for column in 0..<width { gradient[column] += product[column] * change }
            part.scale = found
            return
        }
        chooseBoth(&part, minima, curvature: curvature, slope: slope)
    }

    /// Takes the scale and the minimum that are best together: of the scales around the best one each with the minimum that
    /// is best for it.
    ///
    /// Where the scale grows by s and the minimum by m, e grows by s q - m, and e A eᵀ by
    /// 2 (s q·g - m 1·g) + s² qAq - 2 s m qA1 + m² 1A1.
    private func chooseBoth(
        _ part: inout Part, _ minima: GridSteps, curvature: Float, slope: Float
    ) {
        let sums = sums + part.index * width
        var (mixed, plain, sum): (Float, Float, Float) = (0, 0, 0)
        for column in columns(part.index) {
            mixed += product[column]
            plain += sums[column]
            sum += gradient[column]
        }
        guard plain > 0 else { return }
        let determinant = curvature * plain - mixed * mixed
        // Levels that are all the same leave nothing to tell the two apart by.
        let wanted =
            determinant > 1e-6 * curvature * plain
            ? part.scale + (mixed * sum - plain * slope) / determinant : part.scale
        var best: (scale: Float, minimum: Float, gain: Float) = (part.scale, part.minimum, 0)
        for scale in grid.shape.scales.candidates(wanted, unit: part.scaleUnit) + [part.scale] {
            guard scale.isFinite, scale * part.scale > 0 else { continue }
            let change = scale - part.scale
            let minimum = minima.nearest(
                part.minimum + (sum + mixed * change) / plain, unit: part.minimumUnit)
            let shift = minimum - part.minimum
            let gain =
                2 * (change * slope - shift * sum) + change * change * curvature
                - 2 * change * shift * mixed + shift * shift * plain
            if gain < best.gain { best = (scale, minimum, gain) }
        }
        guard best.gain < 0 else { return }
        let (change, shift) = (best.scale - part.scale, best.minimum - part.minimum)
        for column in 0..<width {
            gradient[column] += product[column] * change - sums[column] * shift
        }
        (part.scale, part.minimum) = (best.scale, best.minimum)
    }

    /// Takes the best code for one weight of a part after the other.
    func chooseCodes(_ part: Part) {
        let columns = columns(part.index)
        let isAnchored = grid.scaledBlocks != nil
        var extremes = isAnchored ? columns.count { isExtreme(levels[$0]) } : 0
        for column in columns {
            let row = square + column * width
            let (old, step) = (levels[column], gradient[column] / (row[column] * part.scale))
            guard abs(step) > 0.5, step.isFinite else { continue }
            let new = grid.shape.levels.rounded(old - step)
            guard new != old else { continue }
            if isAnchored {
                if isExtreme(old) {
                    guard extremes > 1 || isExtreme(new) else { continue }
                    extremes -= 1
                }
                if isExtreme(new) { extremes += 1 }
            }
            levels[column] = new
            let change = (new - old) * part.scale
            for other in 0..<width { gradient[other] += row[other] * change }
        }
    }

    /// Whether a level is the one that a block is anchored by.
    private func isExtreme(_ level: Float) -> Bool {
        let (lowest, highest) = grid.shape.levels.bounds
        return level == lowest || lowest == -highest && level == highest
    }
}
