internal import NibbleNumerics
internal import NibbleTensor

/// Rounding with second-order feedback (GPTQ, Frantar et al. 2022, arXiv 2210.17323): each weight is rounded after it took
/// over what the errors of the weights before it did to the output of its row.
///
/// With the input Hessian A = Σ x xᵀ, and A = R Rᵀ with R upper triangular, the output of a row whose weights are off by e
/// is off by |e R|² = Σⱼ (Σ_{i≤j} eᵢ Rᵢⱼ)². Term j is least where weight j is rounded from
///
///     tⱼ = wⱼ + Σ_{i<j} eᵢ Rᵢⱼ / Rⱼⱼ,   eᵢ = wᵢ - its rounded value
///
/// which is GPTQ in the factor of A instead of that of its inverse. Scales and minima of a block are chosen when its turn
/// comes, from what is then to be rounded.
struct GPTQRounding {
    /// Inputs of the matrix.
    let columns: Int
    /// The mean square of the input of each column, as a multiple of the mean of all.
    let importance: [Float]
    /// The columns in the order in which they are rounded: blocks, within them 32 columns that stand together, and within these
    /// single ones, by falling mean square. What matters most is rounded while most others can still make up for it.
    let order: [Int]
    /// A.
    private let hessian: FloatPanels
    /// What was added to its diagonal.
    private let added: Float
    /// Rᵢⱼ / Rⱼⱼ for i < j in that order.
    let factors: FloatPanels
    /// Rⱼⱼ in that order.
    let roots: [Float]

    /// Columns whose share of the errors before them is computed by one product, a multiple of a block's.
    private static let stripe = 256

    /// What is added to the diagonal of A, as a share of its mean: the first of these with which it is positive definite.
    /// Sums in floats may leave an A of few tokens with negative eigenvalues.
    static let dampings: [Float] = [0.01, 0.1, 1]
    /// The one of ``dampings`` that was added.
    let damping: Float

    /// - Parameters:
    ///   - hessian: A, `[columns][columns]`, which is taken over.
    ///   - columns: a multiple of 32.
    ///   - blockSizes: columns whose scales are chosen together, in the matrices that are rounded: multiples of each other.
    init(
        _ hessian: Memory, columns: Int, blockSizes: Set<Int>, compute: Compute
    ) throws(HessianFailure) {
        self.columns = columns
        let squares = (0..<columns).map { hessian.floats[$0 * columns + $0] }
        let mean = squares.reduce(0, +) / Float(columns)
        guard mean.isFinite, compute.areFinite(hessian.floats, count: columns * columns) else {
            throw .notFinite
        }
        guard mean > 0 else { throw .zero }
        let order = Self.order(squares, blockSizes)
        let memory = Memory(byteCount: columns * columns * 4)
        let values = memory.floats
        let damping = Self.dampings.first { damping in
            // A factor that was begun is lost.
            compute.forEachRows(of: columns) { rows in
                for row in rows {
                    let (source, target) = (hessian.floats + order[row] * columns, values + row * columns)
                    for (column, other) in order.enumerated() { target[column] = source[other] }
                    target[row] += damping * mean
                }
            }
            return compute.factorUpper(values, size: columns)
        }
        guard let damping else { throw .indefinite }
        self.damping = damping
        added = damping * mean
        self.order = order
        importance = order.map { squares[$0] / mean }
        let roots = (0..<columns).map { values[$0 * columns + $0] }
        self.roots = roots
        let inverses = roots.map { 1 / $0 }
        compute.forEachRows(of: columns) { rows in
            for row in rows {
                let own = values + row * columns
                for column in row + 1..<max(columns, row + 1) { own[column] *= inverses[column] }
            }
        }
        factors = FloatPanels(taking: memory, rows: columns, columns: columns, compute: compute)
        self.hessian = FloatPanels(taking: hessian, rows: columns, columns: columns, compute: compute)
    }

    private static func order(_ squares: [Float], _ blockSizes: Set<Int>) -> [Int] {
        let sizes = blockSizes.union([chunk]).filter { $0 < squares.count }.sorted(by: >)
        func order(_ range: Range<Int>, _ sizes: ArraySlice<Int>) -> [Int] {
            guard let size = sizes.first else {
                return range.sorted { (squares[$1], $0) < (squares[$0], $1) }
            }
            let blocks = stride(from: range.lowerBound, to: range.upperBound, by: size).map { first in
                let block = first..<min(first + size, range.upperBound)
                return (block: block, sum: squares[block].reduce(0, +))
            }
            // Ties stay in their order.
            return blocks.sorted { ($1.sum, $0.block.lowerBound) < ($0.sum, $1.block.lowerBound) }
                .flatMap { order($0.block, sizes.dropFirst()) }
        }
        return order(squares.indices, sizes[...])
    }

    /// Columns that are rounded one by one before what they lost is passed on by a product.
    private static let chunk = FloatPanels.width

    /// Rounds rows of a matrix: its weights become what they are decoded to, its scales those they were rounded with.
    ///
    /// - Parameter options: whether scales are searched for, columns weighted, or the codec's; whether coordinate descent
    ///   goes on.
    /// - Throws: `CodecError` where a weight is NaN or infinite.
    func round(
        _ rows: Range<Int>, of matrix: CalibratedMatrix, _ options: CalibrationOptions, level: KernelLevel
    ) throws(CodecError) {
        let grid = matrix.grid
        // In the order of rounding.
        let errors = Memory(byteCount: rows.count * columns * 4)
        // What the weights of a stripe take over of the errors before it.
        let taken = Memory(byteCount: rows.count * Self.stripe * 4)
        let records = matrix.records.floats + rows.lowerBound * grid.recordsPerRow
        let isWide = grid.blockSize > Self.stripe
        if isWide { try choose(rows, of: matrix, options, level: level) }
        let width = isWide ? Self.stripe : grid.blockSize
        var block = GPTQBlock(rows: rows.count, width: width, grid: grid)
        for stripe in stride(from: 0, to: columns, by: Self.stripe) {
            let end = min(stripe + Self.stripe, columns)
            if stripe > 0 {
                taken.floats.update(repeating: 0, count: rows.count * Self.stripe)
                Compute.addProduct(
                    errors.floats, stride: columns, factors, row: 0, column: stripe,
                    into: taken.floats, stride: Self.stripe, rows: rows.count, columns: end - stripe,
                    depth: stripe, level: level)
            }
            for first in stride(from: stripe, to: end, by: width) {
                let last = min(first + width, end)
                block.load(rows, of: matrix, order[first..<last])
                block.values.withUnsafeMutableBufferPointer { values in
                    guard let start = values.baseAddress else { return }
                    for row in 0..<rows.count {
                        let own = taken.floats + row * Self.stripe + first - stripe
                        for column in 0..<last - first { start[row * width + column] += own[column] }
                    }
                    add(errors, of: stripe..<first, to: start, width: width, first..<last, rows.count, level)
                }
                if !isWide {
                    try block.choose(
                        importance: options.scales == .importance ? importance[first..<last] : nil,
                        into: records, stride: grid.recordsPerRow, level: level)
                }
                for chunk in stride(from: first, to: last, by: Self.chunk) {
                    let own = chunk..<min(chunk + Self.chunk, last)
                    block.values.withUnsafeMutableBufferPointer { values in
                        guard let start = values.baseAddress else { return }
                        add(
                            errors, of: first..<chunk, to: start + chunk - first, width: width, own,
                            rows.count,
                            level)
                    }
                    block.round(
                        own.lowerBound - first..<own.upperBound - first,
                        factors: factors.place(row: chunk, column: chunk), errors: errors.floats + chunk,
                        errorStride: columns, records: records, stride: grid.recordsPerRow, level: level)
                }
                block.store(rows, into: matrix)
            }
        }
        withExtendedLifetime(taken) {}
        if options.coordinateDescent { descend(rows, of: matrix, errors: errors, level: level) }
    }

    /// e A eᵀ of some rows e, `[rows, columns]` in the order of the matrix.
    func squares(of errors: Memory, rows: Int, _ compute: Compute) -> [Float] {
        let product = Memory(byteCount: 4 * rows * columns)
        compute.forEachRows(in: 0..<rows, height: 16) { own in
            let start = own.lowerBound * columns
            Compute.addProduct(
                errors.floats + start, stride: columns, hessian, row: 0, column: 0,
                into: product.floats + start, stride: columns, rows: own.count, columns: columns,
                depth: columns, level: compute.level)
        }
        return (0..<rows).map { row in
            (row * columns..<(row + 1) * columns).reduce(0) {
                $0 + errors.floats[$1] * product.floats[$1]
            }
        }
    }

    /// Adds what columns take over of the errors of others before them.
    private func add(
        _ errors: Memory, of others: Range<Int>, to values: UnsafeMutablePointer<Float>, width: Int,
        _ columns: Range<Int>, _ rows: Int, _ level: KernelLevel
    ) {
        guard !others.isEmpty else { return }
        Compute.addProduct(
            errors.floats + others.lowerBound, stride: self.columns, factors, row: others.lowerBound,
            column: columns.lowerBound, into: values, stride: width, rows: rows, columns: columns.count,
            depth: others.count, level: level)
    }

    /// Chooses scales of blocks that are wider than a stripe, whose weights have taken over nothing yet.
    private func choose(
        _ rows: Range<Int>, of matrix: CalibratedMatrix, _ options: CalibrationOptions, level: KernelLevel
    ) throws(CodecError) {
        var inOrder = [Float](repeating: 0, count: columns)
        for (index, place) in order.enumerated() { inOrder[place] = importance[index] }
        let weights = inOrder
        var records = matrix.records(rows).mutableSpan
        try matrix.grid.choose(
            matrix.values(rows).span, columns: columns,
            importance: options.scales == .importance ? weights.span : nil, into: &records, level: level)
    }

    /// Goes on with coordinate descent.
    ///
    /// - Parameter errors: original less rounded weights, in the order of rounding.
    private func descend(
        _ rows: Range<Int>, of matrix: CalibratedMatrix, errors: Memory, level: KernelLevel
    ) {
        let own = Memory(byteCount: rows.count * columns * 4)
        for row in 0..<rows.count {
            for (index, place) in order.enumerated() {
                own.floats[row * columns + place] = -errors.floats[row * columns + index]
            }
        }
        CoordinateDescent(
            hessian: hessian, columns: columns, damping: added, grid: matrix.grid, level: level
        ).descend(
            rows: rows.count, errors: own.floats,
            values: matrix.weights.floats + rows.lowerBound * columns,
            records: matrix.records.floats + rows.lowerBound * matrix.grid.recordsPerRow)
    }
}
