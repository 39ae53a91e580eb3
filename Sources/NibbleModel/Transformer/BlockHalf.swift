public import NibbleCheckpoint

/// The two parts of a block, each of which adds to the residual stream.
public enum BlockHalf: CaseIterable, Sendable {
    /// Norm, query, key, value, attention, output.
    case attention
    /// Norm, gate, up, down.
    case feedForward

    /// The matrix that it ends with.
    public var last: TensorRole.Kind {
        switch self {
        case .attention: .attentionOutput
        case .feedForward: .feedForwardDown
        }
    }
}
