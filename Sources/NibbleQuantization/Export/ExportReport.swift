public import NibbleCheckpoint
public import NibbleNumerics

/// Which trained blocks of an exported hub folder will be the same when it is quantized again.
///
/// A block changes where the plain encoding would not have chosen its scale: in types that are searched, and
/// where no element has the extreme code, which scales learned by Nibble never bring about. The GGUF file exported from the same
/// weights holds every block as it was trained.
public struct ExportReport: Sendable, Equatable {
    /// The trained matrices in the order of the output; those that are stored as they were trained, F32, F16
    /// or BF16, are left out.
    public var tensors: [Tensor]

    /// One trained matrix.
    public struct Tensor: Sendable, Equatable {
        /// The name in the output.
        public var name: String
        /// What it is for.
        public var role: TensorRole
        /// What it was trained to be stored as.
        public var format: WeightFormat
        /// What becomes of its blocks.
        public var counts: ReencodingCounts
    }

    /// What becomes of the blocks of all matrices.
    public var total: ReencodingCounts { tensors.reduce(.init()) { $0 + $1.counts } }

    /// Whether quantizing the folder again gives every trained weight as it is.
    public var isExact: Bool { total.changed == 0 }
}

extension ExportReport: CustomStringConvertible {
    /// One line.
    public var description: String {
        let total = total
        guard !isExact else { return "all \(total.blocks) trained blocks are the same when quantized again" }
        return "\(total.changed) of \(total.blocks) trained blocks change when quantized again: "
            + "\(total.scalesMoved) get other scales, \(total.codesMoved) other codes"
    }
}
