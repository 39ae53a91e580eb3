public import NibbleNumerics

extension CheckpointInspection {
    /// The matrices that lie on the lattice of one format.
    public struct LatticeShare: Sendable {
        /// The format.
        public var format: WeightFormat
        /// The matrices by name, in file order.
        public var tensors: [String]
        /// What samples of them showed.
        public var sample: LatticeCounts

        /// The numbers that the scales are: of 8 significant bits, which BF16 and halves have both; others that the format can
        /// hold; or such that it cannot.
        public enum Scales: String, Sendable {
            case portable
            case storable
            case other
        }

        /// What practically all scales of the sample are.
        public var scales: Scales {
            if 100 * sample.rounded > sample.tested { return .other }
            return sample.hasPortableScales ? .portable : .storable
        }
    }

    /// The lattices that matrices of plain numbers lie on, and how many such matrices there are.
    static func lattices(of tensors: [TensorEntry]) -> (shares: [LatticeShare], matrices: Int) {
        var (shares, matrices): ([LatticeShare], Int) = ([], 0)
        for tensor in tensors where tensor.shape.count == 2 && !tensor.type.isQuantized {
            matrices += 1
            guard let lattice = TensorLattice(of: tensor) else { continue }
            if let place = shares.firstIndex(where: { $0.format == lattice.format }) {
                shares[place].tensors.append(tensor.name)
                shares[place].sample += lattice.sample
            } else {
                shares.append(
                    LatticeShare(format: lattice.format, tensors: [tensor.name], sample: lattice.sample))
            }
        }
        return (shares, matrices)
    }
}
