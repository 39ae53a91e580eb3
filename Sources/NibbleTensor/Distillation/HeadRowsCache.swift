/// Some rows of the head, decoded when one is first asked for.
final class HeadRowsCache {
    private let matrix: Matrix
    private let rows: Range<Int>
    private let compute: Compute
    private var decoded: Buffer?
    private var rounded: ((start: UnsafePointer<UInt16>, stride: Int), Buffer?)?

    init(_ matrix: Matrix, _ rows: Range<Int>, compute: Compute) {
        self.matrix = matrix
        self.rows = rows
        self.compute = compute
    }

    func floats(_ row: Int) -> UnsafePointer<Float> {
        let buffer = decoded ?? compute.pool.take(bytes: rows.count * matrix.columns * 4)
        if decoded == nil {
            matrix.decode(rows, into: buffer.bound(to: Float.self), level: compute.level)
            decoded = buffer
        }
        return UnsafePointer(buffer.bound(to: Float.self) + row * matrix.columns)
    }

    /// A row in BF16.
    func halves(_ row: Int) -> UnsafePointer<UInt16> {
        let halves = rounded ?? WeightSlab.halves(matrix, rows, compute: compute)
        rounded = halves
        return halves.0.start + row * halves.0.stride
    }
}
