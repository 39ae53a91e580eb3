package import NibbleCheckpoint
package import NibbleNumerics

/// A weight that a format cannot hold: where it is, and why it cannot be stored.
package struct WeightFault: Sendable {
    /// Row and column in the matrix that was to be encoded.
    package var row: Int
    package var column: Int
    /// `is NaN`, or `is 1000000, too large for F16, which ends at 65504`.
    package var problem: String
    /// What to do about it.
    package var advice: String

    /// What to do about a weight that no format holds.
    package static let damaged = "the checkpoint is damaged or was trained to divergence"

    /// - Parameters:
    ///   - error: what the codec said.
    ///   - values: the rows that it was given.
    ///   - columns: elements of a row.
    ///   - firstRow: the row that `values` begin with.
    ///   - advice: what to do about a weight that is too large for the format.
    package init(
        _ error: CodecError, values: UnsafeBufferPointer<Float>, columns: Int, firstRow: Int = 0,
        codec: any Codec, advice: String
    ) {
        let index: Int
        switch error {
        case .nonFiniteValue(let place, let value):
            index = place
            problem = Self.text(nonFinite: value)
            self.advice = Self.damaged
        case .scaleOverflow(let block):
            let start = block * codec.blockSize
            // The largest of the block is the one that makes its scale too large.
            let elements = min(start, values.count)..<min(start + codec.blockSize, values.count)
            index = elements.max { values[$0].magnitude < values[$1].magnitude } ?? start
            let value = values.indices.contains(index) ? Self.text(values[index]) : "a weight"
            problem = "is \(value)" + Self.limit(codec)
            self.advice = advice
        }
        (row, column) = (firstRow + index / max(columns, 1), index % max(columns, 1))
    }

    /// `is NaN`, `is infinite`.
    package static func text(nonFinite value: Float) -> String { value.isNaN ? "is NaN" : "is infinite" }

    private static func limit(_ codec: any Codec) -> String {
        switch codec.name {
        case GGMLType.f16.description: ", too large for F16, which ends at 65504"
        case GGMLType.bf16.description: ", too large for BF16"
        default:
            codec.blockSize == 1
                ? ", too large for \(codec.name)"
                : ": the scale of its block of \(codec.name) would exceed 65504, the largest that F16 holds"
        }
    }

    /// Whole numbers without a point.
    private static func text(_ value: Float) -> String {
        value.magnitude < 1e15 && value == value.rounded() ? String(Int(value)) : "\(value)"
    }

    /// The error for a tensor of a file.
    package func error(path: String, tensor: String) -> CheckpointError {
        CheckpointError(
            .invalidValue, path: path, subject: "tensor '\(tensor)', row \(row), column \(column)", problem,
            advice: advice)
    }
}
