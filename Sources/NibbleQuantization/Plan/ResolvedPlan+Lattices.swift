internal import NibbleCheckpoint
public import NibbleNumerics

/// Matrices of a source that lie on a lattice which the output leaves: what they lose by that.
public struct LatticeLoss: Sendable {
    /// The format whose lattice they lie on.
    public var lattice: WeightFormat
    /// What they become.
    public var format: WeightFormat
    /// How many there are.
    public var count: Int
    /// Σ error² and Σ value² of samples, encoded without importance.
    var squares: (error: Double, value: Double)

    /// The root of the mean squared error of samples, as a share of that of their values.
    public var relativeError: Double {
        squares.value > 0 ? (squares.error / squares.value).squareRoot() : 0
    }
}

extension ResolvedPlan {
    /// The lattices that matrices lie on which are to be quantized.
    func lattices() -> [TensorRole: TensorLattice] {
        var lattices: [TensorRole: TensorLattice] = [:]
        for tensor in tensors where tensor.format.isQuantized {
            if let entry = tensor.plainEntry { lattices[tensor.role] = TensorLattice(of: entry) }
        }
        return lattices
    }

    /// The plan for a source that may lie on lattices: matrices that lie on the one of their format are encoded with the scales
    /// that they have (``PlannedTensor/lattice``). Those that lie on that of the whole file's format, and would get more bits by
    /// a rule, get this one: it holds their values. Where most lie on that, some may lie on the lattice of its sibling with
    /// minima, which llama-quantize takes for a few matrices where it has an importance matrix: these get that.
    ///
    /// - Parameters:
    ///   - lattices: ``lattices()``.
    ///   - whole: the format of matrices that no rule changes.
    ///   - isPure: whether it is that of all.
    func keepingLattices(
        _ lattices: [TensorRole: TensorLattice], _ whole: WeightFormat, isPure: Bool
    ) -> ResolvedPlan {
        guard !lattices.isEmpty else { return self }
        let sibling = whole.ggmlType?.siblingWithMinima.map { WeightFormat.ggml($0) }
        var tensors = tensors.map { tensor in
            guard lattices[tensor.role] != nil else { return tensor }
            var tensor = tensor
            tensor.keepLattice(of: tensor.format)
            if !isPure, tensor.mayChange { tensor.keepLattice(of: whole) }
            return tensor
        }
        if let sibling, !isPure {
            let others = tensors.map { tensor in
                guard lattices[tensor.role] != nil, tensor.mayChange else { return tensor }
                var tensor = tensor
                tensor.keepLattice(of: sibling)
                return tensor
            }
            let own = tensors.count { $0.lattice?.format == whole }
            if own > others.count(where: { $0.lattice?.format == sibling }) { tensors = others }
        }
        return ResolvedPlan(tensors, overrides: overrides)
    }

    /// What matrices lose that lie on a lattice, and are not encoded on it.
    ///
    /// - Parameter lattices: ``lattices()``.
    func latticeLosses(_ lattices: [TensorRole: TensorLattice]) -> [LatticeLoss] {
        var losses: [LatticeLoss] = []
        for tensor in tensors where tensor.lattice == nil {
            guard let lattice = lattices[tensor.role], let (error, value) = tensor.squares() else { continue }
            if let place = losses.firstIndex(where: {
                $0.lattice == lattice.format && $0.format == tensor.format
            }) {
                losses[place].count += 1
                losses[place].squares.error += error
                losses[place].squares.value += value
            } else {
                losses.append(
                    LatticeLoss(
                        lattice: lattice.format, format: tensor.format, count: 1, squares: (error, value)))
            }
        }
        return losses.filter { $0.relativeError > 0 }
    }
}

extension PlannedTensor {
    /// Gives it a format, with the scales that it has, where it lies on that format's lattice and keeps none yet.
    fileprivate mutating func keepLattice(of format: WeightFormat) {
        guard lattice == nil, self.format.isQuantized, let entry = plainEntry,
            let encoding = TensorLattice.encoding(of: entry, as: format)
        else { return }
        if format != self.format { (self.format, reason) = (format, .lattice) }
        lattice = encoding
    }

    /// The stored matrix, where it is one of plain numbers, or a packed one of a hub folder.
    fileprivate var plainEntry: TensorEntry? {
        guard case .stored(let entry) = source, !entry.type.isQuantized || entry.packing != nil,
            reason != .kept
        else { return nil }
        return entry
    }

    /// Whether a rule gave it its format, rather than the user.
    fileprivate var mayChange: Bool {
        switch reason {
        case .defaultType, .mixture, .shape: true
        case .kept, .override, .lattice: false
        }
    }

    /// Σ error² and Σ value² of some of its rows, encoded without importance.
    fileprivate func squares() -> (error: Double, value: Double)? {
        guard let entry = plainEntry, let codec = format.codec,
            let size = format.byteCount(columns: columns)
        else { return nil }
        let rows = min(max(65_536 / max(columns, 1), 1), entry.rows)
        guard let values = entry.values(of: 0..<rows * columns) else { return nil }
        var bytes = [UInt8](repeating: 0, count: rows * size)
        var target = bytes.mutableSpan
        var raw = target.mutableBytes
        guard (try? codec.encode(values.span, columns: columns, importance: nil, into: &raw)) != nil else {
            return nil
        }
        var decoded = [Float](repeating: 0, count: values.count)
        var span = decoded.mutableSpan
        codec.decode(bytes.span.bytes, columns: columns, into: &span)
        return zip(values, decoded).reduce(into: (0, 0)) { sum, pair in
            let (value, error) = (Double(pair.0), Double(pair.0) - Double(pair.1))
            sum.error += error * error
            sum.value += value * value
        }
    }
}
