internal import NibbleNumerics

/// A block of 32 columns of some rows, while it is rounded by ``GPTQRounding``.
struct GPTQBlock {
    /// What is rounded, `[rows][32]`.
    var values: [Float]
    /// One for each row.
    private(set) var scales: [Float]
    private let codec: ScaledBlocks
    /// The weights themselves, `[rows][32]`.
    private var weights: [Float]
    private static let width = ScaledBlocks.blockSize

    init(rows: Int, codec: ScaledBlocks) {
        self.codec = codec
        values = [Float](repeating: 0, count: rows * Self.width)
        weights = values
        scales = [Float](repeating: 0, count: rows)
    }

    /// Takes the weights at some places of a row.
    mutating func set(_ row: Int, _ source: UnsafePointer<Float>, _ places: ArraySlice<Int>) {
        for (column, place) in places.enumerated() {
            weights[row * Self.width + column] = source[place]
            values[row * Self.width + column] = source[place]
        }
    }

    /// Puts what was rounded of a row at its places.
    func get(_ row: Int, into target: UnsafeMutablePointer<Float>, _ places: ArraySlice<Int>) {
        for (column, place) in places.enumerated() { target[place] = values[row * Self.width + column] }
    }

    /// The scales that the codec chooses, portable.
    mutating func chooseScales() {
        var chosen = scales
        var span = chosen.mutableSpan
        codec.chooseScales(values.span, into: &span)
        scales = chosen.map(ScaledBlocks.portable)
    }

    /// The scales with small errors where columns are weighted.
    mutating func searchScales(_ importance: ArraySlice<Float>, level: KernelLevel) throws(CodecError) {
        var found = scales
        var span = found.mutableSpan
        let importance = Array(importance)
        try codec.searchScales(values.span, importance: importance.span, into: &span, level: level)
        scales = found
    }

    /// Rounds column by column, each value after the errors before it in the block.
    ///
    /// - Parameters:
    ///   - factors: Rᵢⱼ / Rⱼⱼ of the block, `[32][32]`.
    ///   - errors: receives the errors of the weights.
    mutating func round(
        factors: UnsafePointer<Float>, errors: UnsafeMutablePointer<Float>, errorStride: Int,
        level: KernelLevel
    ) {
        for row in scales.indices {
            let start = row * Self.width
            let targets = Array(values[start..<start + Self.width])
            var tries = 0
            round(row, factors: factors, errors: errors + row * errorStride)
            // Feedback may leave a block without its extreme code. With the scale that has it, it is rounded again; after
            // some tries that scale is taken as it is.
            while anchor(row, level: level), tries < Self.mostTries {
                tries += 1
                for column in 0..<Self.width { values[start + column] = targets[column] }
                round(row, factors: factors, errors: errors + row * errorStride)
            }
            measure(row, errors: errors + row * errorStride)
        }
    }

    /// The errors of a row as it is: the last scale may have come after the rounding.
    private func measure(_ row: Int, errors: UnsafeMutablePointer<Float>) {
        let stored = scales[row]
        for index in row * Self.width..<(row + 1) * Self.width {
            let code = codec.code(of: values[index], scale: scales[row])
            errors[index - row * Self.width] = weights[index] - stored * Float(code)
        }
    }

    private static let mostTries = 3

    private mutating func round(
        _ row: Int, factors: UnsafePointer<Float>, errors: UnsafeMutablePointer<Float>
    ) {
        let start = row * Self.width
        let stored = scales[row]
        for column in 0..<Self.width {
            let code = codec.code(of: values[start + column], scale: scales[row])
            let error = weights[start + column] - stored * Float(code)
            errors[column] = error
            for later in column + 1..<max(Self.width, column + 1) {
                values[start + later] += error * factors[column * Self.width + later]
            }
        }
    }

    /// Sees to it that a value of the row has the extreme code; whether the scale changed for it.
    private mutating func anchor(_ row: Int, level: KernelLevel) -> Bool {
        var scale = [scales[row]]
        var span = scale.mutableSpan
        let start = row * Self.width
        codec.anchorPortably(
            values.span.extracting(start..<start + Self.width), scales: &span, level: level)
        defer { scales[row] = scale[0] }
        return scale[0] != scales[row]
    }
}
