package import NibbleNumerics

/// A matrix that a hub folder stores as codes of 2 to 8 bits, with a scale for each group of a row's elements:
///
///     w = scale · code + minimum    or    w = scale · (code - zero)
///
/// It is read as blocks of the first of these types that holds every value exactly: Q4_0, Q5_0 or Q8_0 where zero is the
/// middle code throughout, Q4_1 or Q5_1 where there are minima, all with scales that are halves; F32 else. Codes stay what
/// they are, so that a file of these types has them, too.
package final class PackedMatrix: TensorPacking {
    /// Rows and columns.
    let rows: Int, columns: Int
    /// The codes.
    let codes: PackedIntegers
    /// Scales of all groups, row by row.
    let scales: TensorEntry
    /// What is added, or taken from codes.
    let offset: Offset
    /// Elements that share a scale; they divide a row.
    let group: Int
    /// What the folder calls it: `MLX's affine codes`.
    let form: String
    /// The type whose blocks hold the values.
    package let type: GGMLType
    /// Where codes, scales and offsets stand, in this order.
    package let parts: [FileRange]

    /// What the codes of a group are shifted by.
    enum Offset: Sendable {
        /// The code of zero, of all groups.
        case zero(Int)
        /// The code of zero of each group, and where these stand.
        case zeros([UInt8], FileRange)
        /// A minimum that is added for each group.
        case minima(TensorEntry)
    }

    /// The entries of ``scales`` and minima must have an element for each group.
    init(
        rows: Int, columns: Int, codes: PackedIntegers, scales: TensorEntry, offset: Offset, group: Int,
        form: String
    ) {
        precondition(group > 0 && columns.isMultiple(of: group), "groups of \(group) in rows of \(columns)")
        precondition(scales.elementCount == rows * (columns / group), "a scale for each group")
        (self.rows, self.columns, self.codes, self.scales) = (rows, columns, codes, scales)
        (self.offset, self.group, self.form) = (offset, group, form)
        let offsets: [FileRange] =
            switch offset {
            case .zero: []
            case .zeros(_, let place): [place]
            case .minima(let entry): [(entry.file, entry.range)]
            }
        parts = [(codes.file, codes.range), (scales.file, scales.range)] + offsets
        type = Self.type(
            scales: scales, offset: offset, bits: codes.bits,
            hasBlocks: group.isMultiple(of: CodeBlocks.size))
    }

    /// The form in words: `MLX's affine codes of 4 bits in groups of 64`.
    package var description: String {
        "\(form) of \(codes.bits) bits "
            + (group == columns ? "with a scale for each row" : "in groups of \(group)")
    }

    /// Bytes of all parts in the folder.
    package var byteCount: Int { parts.reduce(0) { $0 + $1.range.count } }

    // MARK: - Type

    private static func type(
        scales: TensorEntry, offset: Offset, bits: Int, hasBlocks: Bool
    ) -> GGMLType {
        guard hasBlocks else { return .f32 }
        let (centered, affine): (GGMLType, GGMLType?) =
            switch bits {
            case ...4: (.q4_0, .q4_1)
            case 5: (.q5_0, .q5_1)
            default: (.q8_0, nil)
            }
        let middle = 1 << (bits - 1)
        var (areHalves, areCentered, areMinimaHalves) = (true, true, affine != nil)
        Self.forEachGroup(scales, offset) { scale, minimum in
            if !isHalf(scale) { areHalves = false }
            if minimum != -Float(middle) * scale { areCentered = false }
            if !isHalf(minimum) { areMinimaHalves = false }
            return areHalves && (areCentered || areMinimaHalves)
        }
        guard areHalves else { return .f32 }
        if areCentered { return centered }
        return areMinimaHalves ? affine ?? .f32 : .f32
    }

    /// Whether a half has the value.
    private static func isHalf(_ value: Float) -> Bool { value.isFinite && Float(Float16(value)) == value }

    /// Goes through scales and minima as long as `body` returns true.
    private static func forEachGroup(
        _ scales: TensorEntry, _ offset: Offset, _ body: (Float, Float) -> Bool
    ) {
        let (count, step) = (scales.elementCount, 1 << 14)
        for start in stride(from: 0, to: count, by: step) {
            let range = start..<min(start + step, count)
            let groups = parameters(of: range, scales, offset)
            for (scale, minimum) in zip(groups.scales, groups.minima) where !body(scale, minimum) { return }
        }
    }

    /// Scales and minima of some groups.
    private static func parameters(
        of groups: Range<Int>, _ scales: TensorEntry, _ offset: Offset
    ) -> (scales: [Float], minima: [Float]) {
        // Plain numbers are always decoded.
        let own = scales.values(of: groups) ?? []
        let minima: [Float] =
            switch offset {
            case .zero(let zero): own.map { -Float(zero) * $0 }
            case .zeros(let zeros, _): own.enumerated().map { -Float(zeros[groups.lowerBound + $0]) * $1 }
            case .minima(let entry): entry.values(of: groups) ?? []
            }
        return (own, minima)
    }

    /// Scales and minima of some groups, counted row by row.
    func parameters(of groups: Range<Int>) -> (scales: [Float], minima: [Float]) {
        Self.parameters(of: groups, scales, offset)
    }
}
