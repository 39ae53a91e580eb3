internal import CKernels
internal import NibbleNumerics

/// Some rows of a matrix in the form that a product takes them in: decoded once, used for all panels.
struct WeightSlab {
    let rows: Int
    let columns: Int
    private let level: Int32
    private let hasTiles: Bool
    private let form: Form
    /// What the pointers of ``form`` point into, where that is not the file.
    private let buffer: Buffer?

    private enum Form {
        case f32(UnsafePointer<Float>, stride: Int)
        case bf16(UnsafePointer<UInt16>, stride: Int)
        case int8(ByteCodes)
    }

    /// Rows that are prepared at a time: few enough to stay in the second cache with a panel, and a multiple of
    /// the rows of all tiles.
    static let height = 96

    /// Columns up to which whole rows fit the second cache beside a panel.
    private static let cachedColumns = 4096

    /// - Parameter isStep: whether it meets vectors (``PanelLayout/isStep``): then BF16 rows are read where they lie, in
    ///   F32, too.
    /// - Precondition: `rows.count` is at most ``height``.
    init(_ matrix: Matrix, _ rows: Range<Int>, kernel: ProductKernel, isStep: Bool, compute: Compute) {
        self.rows = rows.count
        columns = matrix.columns
        level = compute.levelNumber
        hasTiles = compute.hasTiles
        if kernel == .f32, isStep, let direct = Self.direct(matrix, rows) {
            form = .bf16(direct, stride: matrix.columns)
            buffer = nil
            return
        }
        switch kernel {
        case .f32:
            let stride = columns + FloatProduct.rowGap
            let buffer = compute.pool.take(bytes: Self.height * stride * 4)
            let floats = buffer.bound(to: Float.self)
            for (index, row) in rows.enumerated() {
                matrix.decode(row..<row + 1, into: floats + index * stride, level: compute.level)
            }
            form = .f32(floats, stride: stride)
            self.buffer = buffer
        case .bf16:
            let (halves, buffer) = Self.halves(matrix, rows, compute: compute)
            form = .bf16(halves.start, stride: halves.stride)
            self.buffer = buffer
        case .int8:
            let (codes, buffer) = ByteCodes.unpack(matrix, rows, compute: compute)
            form = .int8(codes)
            self.buffer = buffer
        }
    }

    /// Rows in BF16, where they lie or rounded into a buffer; an even number of elements apart.
    static func halves(
        _ matrix: Matrix, _ rows: Range<Int>, compute: Compute
    ) -> ((start: UnsafePointer<UInt16>, stride: Int), Buffer?) {
        if let direct = direct(matrix, rows) { return ((direct, matrix.columns), nil) }
        let stride = (matrix.columns + 1) / 2 * 2
        let (rounded, buffer) = rounded(matrix, rows, stride: stride, compute: compute)
        return ((rounded, stride), buffer)
    }

    /// BF16 rows as they lie in the file, where pairs of them can be read.
    private static func direct(_ matrix: Matrix, _ rows: Range<Int>) -> UnsafePointer<UInt16>? {
        guard matrix.type == .bf16, matrix.columns.isMultiple(of: 2),
            let start = matrix.stored(rows).baseAddress, Int(bitPattern: start).isMultiple(of: 2)
        else { return nil }
        return start.assumingMemoryBound(to: UInt16.self)
    }

    private static func rounded(
        _ matrix: Matrix, _ rows: Range<Int>, stride: Int, compute: Compute
    ) -> (UnsafePointer<UInt16>, Buffer) {
        let buffer = compute.pool.take(bytes: height * stride * 2)
        let decoded = compute.pool.take(bytes: height * matrix.columns * 4)
        let (floats, halves) = (decoded.bound(to: Float.self), buffer.bound(to: UInt16.self))
        matrix.decode(rows, into: floats, level: compute.level)
        let (columns, level) = (matrix.columns, compute.levelNumber)
        if stride == columns {
            nibble_round_bf16(floats, rows.count * columns, halves, level)
        } else {
            for row in 0..<rows.count {
                nibble_round_bf16(floats + row * columns, columns, halves + row * stride, level)
                halves[row * stride + columns] = 0
            }
        }
        return (UnsafePointer(halves), buffer)
    }

    /// `y(panel)[row][token]` = the product with each of some panels of `operand`.
    ///
    /// In F32 all panels meet some columns of a wide matrix before the next ones are read: those of all rows fit the second
    /// cache, where whole rows would not.
    func multiply(
        _ operand: Operand, panels: Range<Int>, into y: (_ panel: Int) -> UnsafeMutablePointer<Float>
    ) {
        guard case .f32(let weights, let stride) = form, !operand.tensor.layout.isStep,
            columns > Self.cachedColumns
        else {
            for panel in panels { multiply(operand, panel: panel, into: y(panel)) }
            return
        }
        for first in Swift.stride(from: 0, to: columns, by: FloatProduct.depthAtATime) {
            for panel in panels {
                multiply(weights, stride: stride, from: first, operand.tensor, panel, into: y(panel))
            }
        }
    }

    /// The part of the product of some columns, from `first` on, which is added to that of those before them.
    private func multiply(
        _ weights: UnsafePointer<Float>, stride: Int, from first: Int, _ x: Tensor, _ panel: Int,
        into y: UnsafeMutablePointer<Float>
    ) {
        let width = x.layout.width
        nibble_f32_rows_product(
            weights + first, stride, rows, min(FloatProduct.depthAtATime, columns - first),
            x.panel(panel) + first * width, width, y, width, first > 0 ? 1 : 0, level)
    }

    /// `y[row][token]` = the product with a panel of `operand`.
    func multiply(_ operand: Operand, panel: Int, into y: UnsafeMutablePointer<Float>) {
        let width = operand.tensor.layout.width
        if operand.tensor.layout.isStep { return multiply(vectors: operand.vectors, width: width, into: y) }
        switch form {
        case .f32(let weights, let stride):
            for first in Swift.stride(from: 0, to: columns, by: FloatProduct.depthAtATime) {
                multiply(weights, stride: stride, from: first, operand.tensor, panel, into: y)
            }
        case .bf16(let weights, let stride):
            guard let pairs = operand.pairs(panel: panel) else { return Self.unprepared() }
            if hasTiles {
                return nibble_bf16_tiles_product(
                    UnsafeRawPointer(weights).assumingMemoryBound(to: UInt32.self), stride / 2, rows,
                    (columns + 1) / 2, pairs, width, y, width, 0)
            }
            nibble_bf16_product(weights, stride, rows, (columns + 1) / 2, pairs, width, y)
        case .int8(let weights):
            guard let x = operand.bytes(panel: panel) else { return Self.unprepared() }
            nibble_int8_product(
                weights.codes, weights.scales, weights.minima, weights.zero, rows, columns / 32, x.codes,
                x.scales,
                x.sums, width, y)
        }
    }

    /// `y[row][token]`, zero beyond the last token.
    private func multiply(vectors: [ActivationVector], width: Int, into y: UnsafeMutablePointer<Float>) {
        y.update(repeating: 0, count: rows * width)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rows) { column in
            guard let result = column.baseAddress else { return }
            for (token, vector) in vectors.enumerated() {
                multiply(vector, into: result)
                for row in 0..<rows { y[row * width + token] = result[row] }
            }
        }
    }

    private func multiply(_ vector: ActivationVector, into y: UnsafeMutablePointer<Float>) {
        switch form {
        case .f32(let weights, let stride):
            nibble_f32_vector_product(weights, stride, rows, columns, vector.values, y, level)
        case .bf16(let weights, let stride):
            nibble_bf16_vector_product(weights, stride, rows, columns, vector.values, y, level)
        case .int8(let weights):
            nibble_int8_vector_product(
                weights.codes, weights.scales, weights.minima, weights.zero, rows, columns / 32, vector.codes,
                vector.scales, vector.sums, y)
        }
    }

    private static func unprepared() { preconditionFailure("the operand was not prepared for these weights") }
}
