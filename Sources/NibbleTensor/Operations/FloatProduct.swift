internal import CKernels

/// A product of F32 matrices on one thread, `[rows][depth]` times `[depth][columns]`, in whatever order their elements lie.
///
/// A library that does not know the processor takes the widest instructions that it does know. This has those of the
/// level, in a loop over parts that fit the caches (Goto and van de Geijn 2008, "Anatomy of high-performance matrix
/// multiplication"): operands are copied into the order in which the kernel reads them, but for ``FloatPanels``, which have
/// it. Sums run over `depth` in its order.
struct FloatProduct {
    /// A matrix whose element (i, j) lies at `start + i * row + j * column`.
    struct Operand {
        let start: UnsafePointer<Float>
        let row: Int
        let column: Int

        /// Rows one after the other, `stride` floats apart.
        static func rows(_ start: UnsafePointer<Float>, stride: Int) -> Operand {
            Operand(start: start, row: stride, column: 1)
        }

        /// The transpose of a matrix whose rows are `stride` floats apart.
        static func transposed(_ start: UnsafePointer<Float>, stride: Int) -> Operand {
            Operand(start: start, row: 1, column: stride)
        }
    }

    /// The second operand.
    enum Right {
        case matrix(Operand)
        /// A part of a matrix in panels that begins at a row and, with whole panels, at a column.
        case panels(FloatPanels, row: Int, column: Int)
        /// The transpose of a part of a matrix in panels, which begins at that row and column.
        case transposedPanels(FloatPanels, row: Int, column: Int)

        static func rows(_ start: UnsafePointer<Float>, stride: Int) -> Right {
            .matrix(.rows(start, stride: stride))
        }

        static func transposed(_ start: UnsafePointer<Float>, stride: Int) -> Right {
            .matrix(.transposed(start, stride: stride))
        }
    }

    let a: Operand
    let b: Right
    /// What the product is multiplied with.
    var factor: Float = 1
    let rows: Int
    let columns: Int
    let depth: Int

    /// Columns of b that are copied together, in panels of ``width``.
    private static let columnsAtATime = 512
    private static let width = FloatPanels.width
    /// Terms of a sum that are copied together: a panel of them fits the nearest cache, all panels the next.
    static let depthAtATime = FloatPanels.blockRows
    /// Rows of a that are copied together: whole tiles of the kernels.
    private static let rowsAtATime = 96
    /// The same where b is in panels: these come from memory for each copy.
    private static let rowsAgainstPanels = 128
    /// What is left free between two rows of a copy: a line, so that rows do not compete for the same places of the cache.
    static let rowGap = 16
    private static let rowStride = depthAtATime + rowGap

    private typealias Parts = (
        b: UnsafeMutablePointer<Float>, a: UnsafeMutablePointer<Float>, edge: UnsafeMutablePointer<Float>
    )

    /// y += factor a b; rows of y are `stride` floats apart.
    func add(to y: UnsafeMutablePointer<Float>, stride: Int, level: Int32) {
        guard rows > 0, columns > 0, depth > 0 else { return }
        if case .panels(let panels, let row, let column) = b {
            add(panels, row: row, column: column, to: y, stride: stride, level: level)
            return
        }
        let widest = (min(columns, Self.columnsAtATime) + Self.width - 1) / Self.width * Self.width
        let panels = widest * min(depth, Self.depthAtATime)
        let tile = min(rows, Self.rowsAtATime) * Self.rowStride
        let edge = min(rows, Self.rowsAtATime) * Self.width
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: (panels + tile + edge) * 4, alignment: 64)
        defer { scratch.deallocate() }
        let copy = scratch.bindMemory(to: Float.self, capacity: panels + tile + edge)
        let parts: Parts = (b: copy, a: copy + panels, edge: copy + panels + tile)
        for first in Swift.stride(from: 0, to: columns, by: Self.columnsAtATime) {
            let own = first..<min(first + Self.columnsAtATime, columns)
            for start in Swift.stride(from: 0, to: depth, by: Self.depthAtATime) {
                let terms = start..<min(start + Self.depthAtATime, depth)
                packPanels(own, terms, into: parts.b)
                for top in Swift.stride(from: 0, to: rows, by: Self.rowsAtATime) {
                    let range = top..<min(top + Self.rowsAtATime, rows)
                    packRows(range, terms, into: parts.a)
                    multiply(range, own, terms.count, parts, to: y, stride: stride, level: level)
                }
            }
        }
    }

    /// Adds the product with panels, where they are.
    private func add(
        _ panels: FloatPanels, row: Int, column: Int, to y: UnsafeMutablePointer<Float>, stride: Int,
        level: Int32
    ) {
        precondition(
            column.isMultiple(of: Self.width) && columns.isMultiple(of: Self.width),
            "columns \(column)..<\(column + columns)")
        // Of few columns or terms a copy of a would take longer than it saves.
        let readsOnce = columns <= 2 * Self.width || depth <= Self.width
        if readsOnce, factor == 1, a.column == 1 {
            forEachBlock(row) { terms in
                multiply(
                    a.start + terms.lowerBound, a.row, rows, terms.count, panels, row: row + terms.lowerBound,
                    column: column, to: y, stride: stride, level: level)
            }
            return
        }
        let size = min(rows, Self.rowsAgainstPanels) * Self.rowStride
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: 4 * size, alignment: 64)
        defer { scratch.deallocate() }
        let tile = scratch.bindMemory(to: Float.self, capacity: size)
        for top in Swift.stride(from: 0, to: rows, by: Self.rowsAgainstPanels) {
            let range = top..<min(top + Self.rowsAgainstPanels, rows)
            forEachBlock(row) { terms in
                packRows(range, terms, into: tile)
                multiply(
                    tile, Self.rowStride, range.count, terms.count, panels, row: row + terms.lowerBound,
                    column: column, to: y + top * stride, stride: stride, level: level)
            }
        }
    }

    /// Calls `body` with the terms of each block of panels, which begin at a row of theirs.
    private func forEachBlock(_ row: Int, _ body: (_ terms: Range<Int>) -> Void) {
        var start = 0
        while start < depth {
            let rest = Self.depthAtATime - (row + start) % Self.depthAtATime
            let terms = start..<min(start + rest, depth)
            body(terms)
            start = terms.upperBound
        }
    }

    /// Adds the product of rows, `aStride` floats apart, with terms of one block of panels.
    private func multiply(
        _ a: UnsafePointer<Float>, _ aStride: Int, _ rows: Int, _ terms: Int, _ panels: FloatPanels,
        row: Int, column: Int, to y: UnsafeMutablePointer<Float>, stride: Int, level: Int32
    ) {
        for first in Swift.stride(from: 0, to: columns, by: Self.width) {
            nibble_f32_rows_product(
                a, aStride, rows, terms, panels.place(row: row, column: column + first), Self.width,
                y + first, stride, 1, level)
        }
    }

    /// Adds the product of what was copied; `parts.edge` has room for a panel of the product.
    private func multiply(
        _ rows: Range<Int>, _ columns: Range<Int>, _ terms: Int, _ parts: Parts,
        to y: UnsafeMutablePointer<Float>, stride: Int, level: Int32
    ) {
        for column in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: Self.width) {
            let panel = parts.b + (column - columns.lowerBound) * terms
            let target = y + rows.lowerBound * stride + column
            guard column + Self.width > columns.upperBound else {
                nibble_f32_rows_product(
                    parts.a, Self.rowStride, rows.count, terms, panel, Self.width, target, stride, 1, level)
                continue
            }
            nibble_f32_rows_product(
                parts.a, Self.rowStride, rows.count, terms, panel, Self.width, parts.edge, Self.width, 0,
                level)
            for row in 0..<rows.count {
                for lane in 0..<columns.upperBound - column {
                    target[row * stride + lane] += parts.edge[row * Self.width + lane]
                }
            }
        }
    }

    /// Copies columns of b as panels, `[panel][terms][32]`; what is beyond the last column is 0.
    private func packPanels(
        _ columns: Range<Int>, _ terms: Range<Int>, into target: UnsafeMutablePointer<Float>
    ) {
        switch b {
        case .matrix(let b): packPanels(b, columns, terms, into: target)
        case .transposedPanels(let panels, let row, let column):
            for lane in 0..<columns.count {
                let own = target + lane / Self.width * Self.width * terms.count + lane % Self.width
                for (index, term) in terms.enumerated() {
                    own[index * Self.width] =
                        panels.place(row: row + columns.lowerBound + lane, column: column + term).pointee
                }
            }
        case .panels: preconditionFailure("panels are not copied")
        }
    }

    private func packPanels(
        _ b: Operand, _ columns: Range<Int>, _ terms: Range<Int>, into target: UnsafeMutablePointer<Float>
    ) {
        var panel = target
        for first in stride(from: columns.lowerBound, to: columns.upperBound, by: Self.width) {
            let count = min(Self.width, columns.upperBound - first)
            if b.column == 1, count == Self.width {
                for (index, term) in terms.enumerated() {
                    (panel + index * Self.width).update(
                        from: b.start + term * b.row + first, count: Self.width)
                }
            } else {
                if count < Self.width { panel.update(repeating: 0, count: terms.count * Self.width) }
                for lane in 0..<count {
                    let source = b.start + terms.lowerBound * b.row + (first + lane) * b.column
                    for index in 0..<terms.count { panel[index * Self.width + lane] = source[index * b.row] }
                }
            }
            panel += terms.count * Self.width
        }
    }

    /// Copies rows of a, times the factor, ``rowStride`` floats apart.
    private func packRows(_ rows: Range<Int>, _ terms: Range<Int>, into target: UnsafeMutablePointer<Float>) {
        if a.column == 1 {
            for (index, row) in rows.enumerated() {
                let source = a.start + row * a.row + terms.lowerBound
                let own = target + index * Self.rowStride
                for term in 0..<terms.count { own[term] = factor * source[term] }
            }
            return
        }
        for (index, term) in terms.enumerated() {
            let source = a.start + rows.lowerBound * a.row + term * a.column
            for row in 0..<rows.count { target[row * Self.rowStride + index] = factor * source[row * a.row] }
        }
    }
}
