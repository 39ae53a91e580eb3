public import NibbleCheckpoint
public import NibbleNumerics

/// One tensor of a model on its way: where its values come from, what is done to them, and what they become.
public struct TensorJob: Sendable {
    /// What the plan says of the tensor, with the values that take the place of the source's, if any.
    public let planned: PlannedTensor
    /// What it becomes in the output.
    public let output: ExportedTensor
    /// Index of the first part of ``output`` among the tensors of the output; the other parts follow.
    public let firstPart: Int
    /// What is done to the values.
    public let transform: ValueTransform
    /// Weights of the columns' errors.
    public let importance: [Float]?
    /// Whether rows are encoded with the scales that they have, as they lie on the lattice of ``format``.
    public var keepsLattice: Bool { lattice != nil }
    var lattice: LatticeEncoding? { planned.lattice?.format == format ? planned.lattice : nil }
    /// Where set, values are drawn within the quantization cells of the source.
    public let ditherSeed: UInt64?

    /// - Throws: ``CheckpointError`` where the importance matrix is of another model, or values cannot be read or
    ///   written in their format.
    init(
        _ planned: PlannedTensor, as output: ExportedTensor, firstPart: Int, of model: ModelCheckpoint,
        _ request: ConversionRequest
    ) throws(CheckpointError) {
        self.planned = planned
        self.output = output
        self.firstPart = firstPart
        transform = planned.transform(to: output.convention, of: model)
        var (weights, seed): ([Float]?, UInt64?)
        let isEncoded = output.reason != .kept && output.format != planned.source.format
        if let importance = request.importance, isEncoded {
            weights = try importance.weights(
                for: planned.name, columns: planned.columns,
                isEmbedding: planned.role.kind == .tokenEmbedding)
        }
        if case .stored(let entry) = planned.source, entry.type.isQuantized, request.ditherSeed != nil {
            guard entry.type.hasCells else {
                throw CheckpointError(
                    .unsupported, path: model.path, subject: "tensor '\(planned.name)'",
                    "is stored as \(entry.type), whose codes stand for groups of weights: no weight has a cell to be drawn from",
                    advice: "convert without dither")
            }
            seed = request.ditherSeed
        }
        (importance, ditherSeed) = (weights, seed)
        if copiesBytes { return }
        if case .stored(let entry) = source, entry.type.codec == nil { throw entry.undecodable }
        guard format.codec?.canEncode == true else {
            throw CheckpointError(
                .unsupported, path: model.path, subject: "tensor '\(name)'", "cannot be encoded as \(format)")
        }
    }

    /// The name of its first part.
    public var name: String { output.name }
    /// Where values come from.
    public var source: TensorSource { planned.source }
    /// How rows are encoded in the output.
    public var format: WeightFormat { output.format }
    /// Number of elements in the output.
    public var elementCount: Int { output.shape.reduce(1, *) }
    /// Bytes in the output.
    public var byteCount: Int { output.parts.reduce(0) { $0 + $1.tensor.byteCount } }

    // MARK: - Pieces

    /// Elements of a row.
    var columns: Int { output.shape.last ?? 1 }

    /// Elements that move together where rows are permuted: one in a bias.
    var rowColumns: Int { output.shape.count == 1 && transform.movesRows ? 1 : columns }

    /// Whether the bytes of the source are the output's bytes, rows in another order perhaps.
    var copiesBytes: Bool {
        switch source {
        // Rows are encoded one by one, so that they can be moved as they are.
        case .stored: source.format == format && transform.addend == 0 && ditherSeed == nil
        case .encoded: source.format == format
        case .computed, .described: false
        }
    }

    /// Elements that must stay together: rows where weights, order or parts are by row, else blocks of both formats.
    var unit: Int {
        if importance != nil || transform.movesRows { return rowColumns }
        let isShared = output.parts.contains { if case .share = $0.contents { true } else { false } }
        guard !isShared, let type = format.ggmlType, let sourceType = source.format.ggmlType else {
            return columns
        }
        return max(type.blockSize, sourceType.codec?.blockSize ?? 1)
    }

    /// Bytes of a run of output elements, whole units, in their format.
    func encodedBytes(_ elements: Int) -> Int { format.byteCount(elements: elements, columns: columns) ?? 0 }

    /// The runs of source elements that make a run of output elements, in order: itself, or row by row.
    func runs(_ elements: Range<Int>) -> [Range<Int>] {
        guard transform.movesRows else { return [elements] }
        let columns = rowColumns
        return (elements.lowerBound / columns..<elements.upperBound / columns).map { row in
            let start = transform.sourceRow(row) * columns
            return start..<start + columns
        }
    }

    /// The element of the source that an element of the output is made from.
    func sourceElement(_ element: Int) -> Int {
        transform.sourceRow(element / rowColumns) * rowColumns + element % rowColumns
    }

    /// Where a run of output elements stands in the file of the source; nil where values are in memory, or rows move.
    func storedBytes(_ elements: Range<Int>) -> (file: MappedFile, range: Range<Int>)? {
        guard case .stored(let entry) = source, !transform.movesRows else { return nil }
        return entry.byteRange(elements).map { (entry.file, $0) }
    }
}
