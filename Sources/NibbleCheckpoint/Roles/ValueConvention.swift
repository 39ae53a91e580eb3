/// How the stored values of a tensor relate to those that the model computes with.
///
/// In memory, values are the model's: of Gemma's norms what it multiplies with, one added. Rows keep the order of their
/// source there; the rotary embedding takes pairs of either order.
public struct ValueConvention: Hashable, Sendable {
    /// What the model adds to every stored value.
    public var offset: Float
    /// How many heads a matrix or bias has whose rotary pairs are neighbouring rows; nil where they are rows `i` and
    /// `i + d/2` of the `d` rows of a head, and where there are no such pairs.
    public var interleavedHeads: Int?

    /// Creates a convention; by default that of values which are stored as they are computed with.
    public init(offset: Float = 0, interleavedHeads: Int? = nil) {
        self.offset = offset
        self.interleavedHeads = interleavedHeads
    }
}

/// What has to be done to values of one convention for those of another.
public struct ValueTransform: Hashable, Sendable {
    /// What is added to every value.
    public let addend: Float
    /// Rows of a head whose rows change between halves and neighbours; nil where rows stay.
    private let rowsPerHead: Int?
    private let toNeighbours: Bool

    /// The way of a tensor of `rows` rows from `source` to `target`.
    public init(from source: ValueConvention, to target: ValueConvention, rows: Int) {
        addend = source.offset - target.offset
        let moves = source.interleavedHeads != target.interleavedHeads
        rowsPerHead = moves ? (target.interleavedHeads ?? source.interleavedHeads).map { rows / $0 } : nil
        toNeighbours = target.interleavedHeads != nil
    }

    /// Whether rows change places.
    public var movesRows: Bool { rowsPerHead != nil }

    /// Whether values and rows stay as they are.
    public var isIdentity: Bool { addend == 0 && !movesRows }

    /// The source row of an output row.
    public func sourceRow(_ row: Int) -> Int {
        guard let rowsPerHead else { return row }
        let head = row / rowsPerHead * rowsPerHead
        let inner = row % rowsPerHead
        let half = rowsPerHead / 2
        // Row i + half * c among halves is row 2 i + c among neighbours, c = 0 or 1.
        return head + (toNeighbours ? inner / 2 + inner % 2 * half : inner % half * 2 + inner / half)
    }
}
