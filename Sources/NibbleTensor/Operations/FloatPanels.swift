/// A matrix of floats in the order in which ``FloatProduct`` reads its second operand, so that it need not be copied for each
/// product: blocks of 256 rows, in each panels of 32 columns, `[block][panel][row][32]`.
package struct FloatPanels {
    private let memory: Memory
    private let rows: Int
    private let columns: Int

    /// Rows of a block.
    static let blockRows = 256
    /// Columns of a panel.
    package static let width = 32

    /// Takes over a matrix, `[rows][columns]` one row after the other, and brings it into that order where it is.
    ///
    /// - Parameter columns: a multiple of 32.
    package init(taking memory: Memory, rows: Int, columns: Int, compute: Compute) {
        precondition(columns.isMultiple(of: Self.width), "\(columns) columns")
        self.memory = memory
        self.rows = rows
        self.columns = columns
        compute.forEachRows(in: 0..<rows, height: Self.blockRows) { block in
            let own = memory.floats + block.lowerBound * columns
            let copy = Memory(byteCount: 4 * block.count * columns)
            copy.floats.update(from: own, count: block.count * columns)
            for first in stride(from: 0, to: columns, by: Self.width) {
                let panel = own + first * block.count
                for row in 0..<block.count {
                    (panel + row * Self.width).update(
                        from: copy.floats + row * columns + first, count: Self.width)
                }
            }
        }
    }

    /// Where the element at (row, column) lies. Behind it are the other columns of its panel; the next row of its block is
    /// 32 floats further.
    package func place(row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        let block = row / Self.blockRows * Self.blockRows
        return memory.floats + block * columns + (column - column % Self.width) * height(ofBlock: block)
            + (row - block) * Self.width + column % Self.width
    }

    /// Rows of the block that begins at a row.
    private func height(ofBlock first: Int) -> Int { min(Self.blockRows, rows - first) }
}
