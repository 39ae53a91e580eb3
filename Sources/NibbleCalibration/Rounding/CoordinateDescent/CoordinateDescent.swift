internal import NibbleNumerics
internal import NibbleTensor

/// Coordinate descent on the codes and scales of rounded rows (QuantEase, Behdin et al. 2023, arXiv 2309.01885; scales in
/// turn with codes as in LNQ of GuidedQuant, Kim et al. 2025, arXiv 2505.07004).
///
/// With A = Σ x xᵀ of the inputs and e the errors of a row's weights, e A eᵀ is the error of its outputs, and g = e A
/// half its gradient. One code, or scale and minimum of one part of a block, at a time take the values that are best with
/// all others as they are:
///
/// - a code that of the level nearest to qⱼ - gⱼ / (Aⱼⱼ s);
/// - a scale s - (q · g) / (q A qᵀ), g and A those of its part, rounded to one that can be stored; with its minimum where
///   the type has such. What multiples of parts are of stays as it was chosen.
///
/// The error never grows. A block of a type with anchored scales keeps a weight with its extreme code, so that plain
/// rounding finds it again (`ScaledBlocks.anchor`).
struct CoordinateDescent {
    /// A, symmetric.
    let hessian: FloatPanels
    let columns: Int
    /// What is added to its diagonal.
    let damping: Float
    let grid: WeightGrid
    let level: KernelLevel

    /// Times that all blocks have their turn.
    static let sweeps = 2
    /// Times that scale and codes of a part change in its turn.
    private static let turns = 2

    /// Columns whose changes are passed on together: each block to those of its stripe, a stripe to all others.
    private static let stripe = 256

    /// Columns that have their turn together: those of a part, 32 at least; of a part that is wider than a stripe 32, and its
    /// scale has turns of its own.
    private var width: Int { isWide ? FloatPanels.width : max(grid.shape.partSize, FloatPanels.width) }
    /// Whether a part is wider than a stripe.
    private var isWide: Bool { grid.shape.partSize > Self.stripe }
    /// Parts among the columns that have their turn together.
    private var parts: Int { max(width / grid.shape.partSize, 1) }

    /// Lowers the errors of `rows` rows.
    ///
    /// - Parameters:
    ///   - errors: decoded less original weights, `[rows][columns]`.
    ///   - values: what the weights are decoded to, `[rows][columns]`.
    ///   - records: `[rows][grid.recordsPerRow]`
    func descend(
        rows: Int, errors: UnsafePointer<Float>, values: UnsafeMutablePointer<Float>,
        records: UnsafeMutablePointer<Float>
    ) {
        let (width, parts) = (width, parts)
        let memory = Memory(
            byteCount: (rows * (columns + Self.stripe) + (width + parts) * width
                + BlockDescent.scratch(width)) * 4)
        let gradients = memory.floats
        let changes = gradients + rows * columns
        let square = changes + rows * Self.stripe
        let sums = square + width * width
        let descent = BlockDescent(
            grid: grid, width: width, square: square, sums: sums, scratch: sums + parts * width)
        addProduct(errors, stride: columns, 0..<columns, to: gradients, 0..<columns, rows: rows)
        for index in 0..<rows * columns { gradients[index] += damping * errors[index] }
        for _ in 0..<Self.sweeps {
            if isWide {
                chooseScales(rows: rows, gradients: gradients, values: values, records: records)
            }
            for start in stride(from: 0, to: columns, by: Self.stripe) {
                let stripe = start..<min(start + Self.stripe, columns)
                for first in stride(from: start, to: stripe.upperBound, by: width) {
                    let own = changes + first - start
                    copySquare(first, width, into: square, sums: sums, parts: parts)
                    turn(
                        of: first, rows: rows, descent, gradients: gradients, values: values,
                        records: records, changes: own)
                    addProduct(
                        own, stride: Self.stripe, first..<first + width, to: gradients, stripe, rows: rows)
                }
                for others in [0..<start, stripe.upperBound..<columns] {
                    addProduct(changes, stride: Self.stripe, stripe, to: gradients, others, rows: rows)
                }
            }
        }
        withExtendedLifetime(memory) {}
    }

    /// Changes scales, minima and codes of the columns that begin at one.
    ///
    /// - Parameter changes: receives what was added to the decoded weights, rows ``stripe`` apart.
    private func turn(
        of first: Int, rows: Int, _ descent: BlockDescent, gradients: UnsafeMutablePointer<Float>,
        values: UnsafeMutablePointer<Float>, records: UnsafeMutablePointer<Float>,
        changes: UnsafeMutablePointer<Float>
    ) {
        let width = width
        let (block, place) = (first / grid.blockSize, first % grid.blockSize)
        for row in 0..<rows {
            let start = records + row * grid.recordsPerRow + block * grid.recordSize
            let record = grid.record(start)
            let (own, gradient) = (values + row * columns + first, gradients + row * columns + first)
            let change = changes + row * Self.stripe
            change.update(from: own, count: width)
            descent.begin(gradient: gradient)
            for index in 0..<parts {
                let number = place / grid.shape.partSize + index
                var part = BlockDescent.Part(
                    index: index, scale: record.scale(number), minimum: record.minimum(number),
                    scaleUnit: record.scaleUnit, minimumUnit: record.minimumUnit)
                guard part.scale != 0 else { continue }
                descent.load(part, own)
                for _ in 0..<Self.turns {
                    if !isWide { descent.chooseParameters(&part) }
                    descent.chooseCodes(part)
                }
                descent.decode(part, into: own)
                grid.store(scale: part.scale, minimum: part.minimum, of: number, into: start)
            }
            for column in 0..<width {
                change[column] = own[column] - change[column]
                gradient[column] += damping * change[column]
            }
        }
    }

    /// Takes the best scales for blocks that are wider than a stripe: s - (v · g) s / (v A vᵀ) with v = s q.
    private func chooseScales(
        rows: Int, gradients: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>,
        records: UnsafeMutablePointer<Float>
    ) {
        let memory = Memory(byteCount: rows * columns * 4)
        let products = memory.floats
        addProduct(values, stride: columns, 0..<columns, to: products, 0..<columns, rows: rows)
        for row in 0..<rows {
            let (value, gradient) = (values + row * columns, gradients + row * columns)
            let product = products + row * columns
            var (curvature, slope): (Float, Float) = (0, 0)
            for column in 0..<columns {
                product[column] += damping * value[column]
                curvature += product[column] * value[column]
                slope += gradient[column] * value[column]
            }
            let record = records + row * grid.recordsPerRow
            let scale = record.pointee
            let found = grid.shape.scales.nearest(scale - slope / curvature * scale, unit: 1)
            guard curvature > 0, found.isFinite, found * scale > 0, found != scale else { continue }
            let ratio = found / scale
            for column in 0..<columns {
                // Of the level, so that no error gathers.
                value[column] = found * grid.level(of: value[column], scale: scale, minimum: 0)
                gradient[column] += (ratio - 1) * product[column]
            }
            record.pointee = found
        }
        withExtendedLifetime(memory) {}
    }

    /// Adds what errors of some columns are to the gradients of others.
    private func addProduct(
        _ errors: UnsafePointer<Float>, stride: Int, _ columns: Range<Int>,
        to gradients: UnsafeMutablePointer<Float>, _ others: Range<Int>, rows: Int
    ) {
        Compute.addProduct(
            errors, stride: stride, hessian, row: columns.lowerBound, column: others.lowerBound,
            into: gradients + others.lowerBound, stride: self.columns, rows: rows,
            columns: others.count, depth: columns.count, level: level)
    }

    /// - Parameter sums: receives of each of the parts the sum of its rows.
    private func copySquare(
        _ first: Int, _ width: Int, into square: UnsafeMutablePointer<Float>,
        sums: UnsafeMutablePointer<Float>, parts: Int
    ) {
        for row in 0..<width {
            for column in stride(from: 0, to: width, by: FloatPanels.width) {
                (square + row * width + column).update(
                    from: hessian.place(row: first + row, column: first + column), count: FloatPanels.width)
            }
            square[row * width + row] += damping
        }
        guard grid.shape.minima != nil else { return }
        let size = width / parts
        for part in 0..<parts {
            let target = sums + part * width
            target.update(repeating: 0, count: width)
            for row in part * size..<(part + 1) * size {
                for column in 0..<width { target[column] += square[row * width + column] }
            }
        }
    }
}
