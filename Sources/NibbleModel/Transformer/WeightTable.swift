internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor

/// The tensors of a checkpoint by role, in the forms that the forward pass takes them in.
struct WeightTable {
    private let model: ModelCheckpoint
    private let entries: [TensorRole: TensorEntry]
    private let replacements: WeightReplacements

    init(_ model: ModelCheckpoint, replacements: WeightReplacements) {
        self.model = model
        self.replacements = replacements
        entries = Dictionary(model.tensors.map { ($0.role, $0.entry) }) { first, _ in first }
    }

    func contains(_ role: TensorRole) -> Bool { entries[role] != nil }

    /// A matrix as it is stored, of packed ones its blocks in memory.
    ///
    /// Rows of a hub's query and key stay where they are, too: the pairs of the rotary embedding differ instead.
    func matrix(_ role: TensorRole) throws(CheckpointError) -> Matrix {
        let entry = try entry(role)
        if let matrix = replacements.matrices[role] {
            let rows = model.rowCount(of: role, entry)
            precondition(
                matrix.rows == rows && matrix.columns == entry.columns,
                "\(role): \(matrix.rows) x \(matrix.columns) replaces \(rows) x \(entry.columns)")
            return matrix
        }
        guard let stored = entry.elements(0..<entry.elementCount),
            let matrix = Matrix(
                rows: model.rowCount(of: role, entry), columns: entry.columns, type: entry.type,
                bytes: stored.bytes, owner: stored.owner)
        else { throw entry.undecodable }
        return matrix
    }

    /// A norm or bias; nil where there is none.
    func vector(_ role: TensorRole) throws(CheckpointError) -> Vector? {
        if let vector = replacements.vectors[role] { return vector }
        guard let entry = entries[role] else { return nil }
        return Vector(try model.vector(role, entry))
    }

    /// A norm that every model of the architecture has.
    func requiredVector(_ role: TensorRole) throws(CheckpointError) -> Vector {
        guard let vector = try vector(role) else { throw missing(role) }
        return vector
    }

    private func entry(_ role: TensorRole) throws(CheckpointError) -> TensorEntry {
        guard let entry = entries[role] else { throw missing(role) }
        return entry
    }

    private func missing(_ role: TensorRole) -> CheckpointError {
        let name = model.source.scheme.name(of: role, in: model.configuration.architecture) ?? "\(role)"
        return CheckpointError(.missing, path: model.path, subject: "tensor '\(name)'", "is missing")
    }
}
