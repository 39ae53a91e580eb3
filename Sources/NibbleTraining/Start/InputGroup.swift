internal import NibbleCheckpoint
internal import NibbleModel

/// Matrices of a block with the same input, in the order in which a token meets them.
enum InputGroup: CaseIterable {
    case attentionInput, attentionResult, feedForwardInput, feedForwardResult

    /// What the matrices are.
    var kinds: [TensorRole.Kind] {
        switch self {
        case .attentionInput: [.attentionQuery, .attentionKey, .attentionValue]
        case .attentionResult: [.attentionOutput]
        case .feedForwardInput: [.feedForwardGate, .feedForwardUp]
        case .feedForwardResult: [.feedForwardDown]
        }
    }

    /// The half of the block that ends with these matrices.
    var lastOf: BlockHalf? {
        switch self {
        case .attentionResult: .attention
        case .feedForwardResult: .feedForward
        case .attentionInput, .feedForwardInput: nil
        }
    }
}
