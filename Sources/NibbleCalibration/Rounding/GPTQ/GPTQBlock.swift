internal import NibbleNumerics
internal import NibbleTensor

/// A block of some rows, while it is rounded by ``GPTQRounding``: columns whose scales and minima are chosen when its turn
/// comes. Of a block that is wider than a stripe, a stripe of it.
struct GPTQBlock {
    /// What is rounded, `[rows][width]` in the order of rounding.
    var values: [Float]
    private let grid: WeightGrid
    private let rows: Int
    private let width: Int
    /// Its place among the blocks of a row.
    private var index = 0
    /// The columns of the matrix, in the order of rounding.
    private var places: ArraySlice<Int> = []
    /// The part of the block that each belongs to.
    private var parts: [Int] = []
    /// The weights themselves, `[rows][width]`.
    private var weights: [Float]

    /// - Parameter width: columns of a block, or of a stripe.
    init(rows: Int, width: Int, grid: WeightGrid) {
        self.grid = grid
        self.rows = rows
        self.width = width
        values = [Float](repeating: 0, count: rows * width)
        weights = values
    }

    /// Takes the weights of some columns.
    mutating func load(_ rows: Range<Int>, of matrix: CalibratedMatrix, _ places: ArraySlice<Int>) {
        self.places = places
        index = places[places.startIndex] / grid.blockSize
        parts = places.map { $0 % grid.blockSize / grid.shape.partSize }
        for row in 0..<rows.count {
            let source = matrix.weights.floats + (rows.lowerBound + row) * matrix.columns
            for (column, place) in places.enumerated() {
                weights[row * width + column] = source[place]
                values[row * width + column] = source[place]
            }
        }
    }

    /// Puts what the weights are decoded to at their places.
    func store(_ rows: Range<Int>, into matrix: CalibratedMatrix) {
        for row in 0..<rows.count {
            let target = matrix.weights.floats + (rows.lowerBound + row) * matrix.columns
            for (column, place) in places.enumerated() { target[place] = values[row * width + column] }
        }
    }

    /// Chooses scales and minima for what is to be rounded.
    ///
    /// - Parameters:
    ///   - importance: a weight for the error of each column, in the order of rounding; nil weighs as the codec does.
    ///   - records: those of the rows, `stride` floats apart.
    func choose(
        importance: ArraySlice<Float>?, into records: UnsafeMutablePointer<Float>, stride: Int,
        level: KernelLevel
    ) throws(CodecError) {
        var (own, found) = (values, Array(importance ?? []))
        // Parts of a block are told apart by where they stand.
        if grid.parts > 1 {
            for (column, place) in places.enumerated() {
                let target = place % grid.blockSize
                for row in 0..<rows { own[row * width + target] = values[row * width + column] }
                if let importance { found[target] = importance[importance.startIndex + column] }
            }
        }
        let (inOrder, weights) = (own, found)
        let size = grid.recordSize
        var chosen = [Float](repeating: 0, count: rows * size)
        var span = chosen.mutableSpan
        try grid.choose(
            inOrder.span, columns: width, importance: importance == nil ? nil : weights.span, into: &span,
            level: level)
        for row in 0..<rows {
            for place in 0..<size {
                records[row * stride + index * size + place] = chosen[row * size + place]
            }
        }
    }

    /// Rounds some columns one by one, each value after the errors before it among them.
    ///
    /// - Parameters:
    ///   - columns: in the order of rounding.
    ///   - factors: Rᵢⱼ / Rⱼⱼ of these columns, rows `factorStride` apart.
    ///   - errors: receives the errors of the weights.
    ///   - records: those of the rows, `stride` floats apart.
    mutating func round(
        _ columns: Range<Int>, factors: UnsafePointer<Float>, errors: UnsafeMutablePointer<Float>,
        errorStride: Int, records: UnsafeMutablePointer<Float>, stride: Int, level: KernelLevel
    ) {
        for row in 0..<rows {
            let own = errors + row * errorStride
            let record = records + row * stride + index * grid.recordSize
            let range = row * width + columns.lowerBound..<row * width + columns.upperBound
            let targets = Array(values[range])
            round(row, columns, factors: factors, errors: own, record: record)
            if let blocks = grid.scaledBlocks {
                var tries = 0
                // Feedback may leave a block without its extreme code. With the scale that has it, it is rounded again;
                // after some tries that scale is taken as it is.
                while anchor(blocks, values[range], record, level: level), tries < Self.mostTries {
                    tries += 1
                    values.replaceSubrange(range, with: targets)
                    round(row, columns, factors: factors, errors: own, record: record)
                }
            }
            decode(row, columns, errors: own, record: record)
        }
    }

    private static let mostTries = 3

    private mutating func round(
        _ row: Int, _ columns: Range<Int>, factors: UnsafePointer<Float>, errors: UnsafeMutablePointer<Float>,
        record place: UnsafePointer<Float>
    ) {
        let record = grid.record(place)
        let (start, count) = (row * width + columns.lowerBound, columns.count)
        for column in 0..<count {
            let part = parts[columns.lowerBound + column]
            let value = grid.nearest(
                values[start + column], scale: record.scale(part), minimum: record.minimum(part))
            let error = weights[start + column] - value
            errors[column] = error
            for later in column + 1..<max(count, column + 1) {
                values[start + later] += error * factors[column * FloatPanels.width + later]
            }
        }
    }

    /// Replaces the values of a row by what they are decoded to: the last scale may have come after the rounding.
    private mutating func decode(
        _ row: Int, _ columns: Range<Int>, errors: UnsafeMutablePointer<Float>,
        record place: UnsafePointer<Float>
    ) {
        let record = grid.record(place)
        for column in columns {
            let (own, part) = (row * width + column, parts[column])
            values[own] = grid.nearest(
                values[own], scale: record.scale(part), minimum: record.minimum(part))
            errors[column - columns.lowerBound] = weights[own] - values[own]
        }
    }

    /// Sees to it that one of the values has the extreme code of its block; whether the scale changed for it.
    private func anchor(
        _ blocks: ScaledBlocks, _ values: ArraySlice<Float>, _ record: UnsafeMutablePointer<Float>,
        level: KernelLevel
    ) -> Bool {
        let before = record.pointee
        var scale = [before]
        var span = scale.mutableSpan
        blocks.anchorPortably(values.span, scales: &span, level: level)
        record.pointee = scale[0]
        return scale[0] != before
    }
}
