internal import NibbleCheckpoint
public import NibbleNumerics

/// Matrices of a source that lie on a lattice which the output leaves: what they lose by that.
public struct LatticeLoss: Sendable, Equatable {
    /// The format whose lattice they lie on.
    public var lattice: WeightFormat
    /// What they become.
    public var format: WeightFormat
    /// How many there are.
    public var count: Int
    /// The root of the mean squared error of a sample, as a share of that of its values.
    public var relativeError: Double
}

extension ResolvedPlan {
    /// The plan for a source that may lie on lattices: matrices that lie on the one of their format are encoded with the scales
    /// that they have (``PlannedTensor/lattice``). Those that lie on that of the whole file's format, and would get more bits by
    /// a rule, get this one: it holds their values. Where most lie on that, some may lie on the lattice of its sibling with
    /// minima, which llama-quantize takes for a few matrices where it has an importance matrix: these get that.
    ///
    /// - Parameters:
    ///   - whole: the format of matrices that no rule changes.
    ///   - isPure: whether it is that of all.
    func keepingLattices(_ whole: WeightFormat, isPure: Bool) -> ResolvedPlan {
        let sibling: WeightFormat? =
            switch whole {
            case .ggml(.q4_0): .ggml(.q4_1)
            case .ggml(.q5_0): .ggml(.q5_1)
            default: nil
            }
        var tensors = tensors.map { tensor in
            var tensor = tensor
            tensor.keepLattice(of: tensor.format)
            if !isPure, tensor.mayChange { tensor.keepLattice(of: whole) }
            return tensor
        }
        if let sibling, !isPure {
            let others = tensors.map { tensor in
                var tensor = tensor
                if tensor.mayChange { tensor.keepLattice(of: sibling) }
                return tensor
            }
            let own = tensors.count { $0.lattice?.format == whole }
            if own > others.count(where: { $0.lattice?.format == sibling }) { tensors = others }
        }
        return ResolvedPlan(tensors, overrides: overrides)
    }

    /// What matrices lose that lie on a lattice, and are not encoded on it.
    func latticeLosses() -> [LatticeLoss] {
        var losses: [LatticeLoss] = []
        var squares: [Int: (error: Double, value: Double)] = [:]
        for tensor in tensors where tensor.lattice == nil && tensor.format.isQuantized {
            guard let entry = tensor.plainEntry, let lattice = TensorLattice(of: entry),
                let (error, value) = tensor.squares(entry)
            else { continue }
            var place = losses.firstIndex { $0.lattice == lattice.format && $0.format == tensor.format }
            if place == nil {
                losses.append(
                    LatticeLoss(lattice: lattice.format, format: tensor.format, count: 0, relativeError: 0))
                place = losses.count - 1
            }
            guard let place else { continue }
            losses[place].count += 1
            let sum = squares[place] ?? (0, 0)
            squares[place] = (sum.error + error, sum.value + value)
        }
        for (place, sum) in squares where sum.value > 0 {
            losses[place].relativeError = (sum.error / sum.value).squareRoot()
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

    /// The stored matrix, where it is one of plain numbers.
    fileprivate var plainEntry: TensorEntry? {
        guard case .stored(let entry) = source, !entry.type.isQuantized, reason != .kept else { return nil }
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
    fileprivate func squares(_ entry: TensorEntry) -> (error: Double, value: Double)? {
        let rows = min(max(65_536 / max(columns, 1), 1), entry.rows)
        guard let codec = format.codec, let values = entry.values(of: 0..<rows * columns),
            let size = format.byteCount(columns: columns)
        else { return nil }
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
