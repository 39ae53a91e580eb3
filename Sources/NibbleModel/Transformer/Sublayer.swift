public import NibbleCheckpoint

/// A half of a transformer block that adds to the residual stream: a norm, matrices that take the normed stream, what
/// lies between, one last matrix, the sum.
///
/// The order of a block is that of ``allCases``, and within a sublayer that of ``groups``. The forward pass, calibration
/// and the memory plan walk them; nothing else knows the order.
public enum Sublayer: CaseIterable, Sendable {
    /// Norm; query, key and value; attention; output.
    case attention
    /// Norm; gate and up; the activated gate times up; down.
    case feedForward

    /// Matrices with one input.
    public struct InputGroup: Hashable, Sendable {
        /// The sublayer that they belong to.
        public let sublayer: Sublayer
        /// Whether it is the sublayer's last matrix, or those that take the normed stream.
        public let isLast: Bool

        /// The matrices, in the order in which they are rounded.
        public var kinds: [TensorRole.Kind] {
            switch (sublayer, isLast) {
            case (.attention, false): [.attentionQuery, .attentionKey, .attentionValue]
            case (.attention, true): [.attentionOutput]
            case (.feedForward, false): [.feedForwardGate, .feedForwardUp]
            case (.feedForward, true): [.feedForwardDown]
            }
        }

        /// Features of the input.
        package func width(in shape: ModelConfiguration) -> Int {
            switch (sublayer, isLast) {
            case (_, false): shape.embeddingLength
            case (.attention, true): shape.headCount * shape.headDimension
            case (.feedForward, true): shape.feedForwardLength
            }
        }
    }

    /// The matrices that take the normed stream.
    public var first: InputGroup { InputGroup(sublayer: self, isLast: false) }
    /// The last matrix.
    public var last: InputGroup { InputGroup(sublayer: self, isLast: true) }
    /// Its matrices by their inputs, in the order in which a token meets them.
    public var groups: [InputGroup] { [first, last] }

    /// The groups of a whole block.
    public static let inputGroups = allCases.flatMap(\.groups)
}

// MARK: - Memory

extension Sublayer {
    /// Values of a token that the operations of a block keep for the way back.
    package static func keptFeatures(in shape: ModelConfiguration) -> Int {
        // The stream before the block; of each sublayer the normed stream, what is added and the sum.
        allCases.reduce(shape.embeddingLength) {
            $0 + 3 * shape.embeddingLength + $1.innerFeatures(in: shape)
        }
    }

    /// Weights of a block's matrices.
    package static func weightCount(in shape: ModelConfiguration) -> Int {
        inputGroups.flatMap(\.kinds).reduce(0) { sum, kind in
            sum + (shape.shape(of: TensorRole(kind, layer: 0))?.reduce(1, *) ?? 0)
        }
    }

    /// Values of a token in the packed operands of a block's products, two of them in a word.
    package static func packedFeatures(in shape: ModelConfiguration) -> Int {
        inputGroups.reduce(0) { $0 + $1.width(in: shape) } / 2
    }

    /// Between the normed stream and the last matrix.
    private func innerFeatures(in shape: ModelConfiguration) -> Int {
        switch self {
        // Queries and keys before and after their rotation, values, and what attention makes of them.
        case .attention: (3 * shape.headCount + 4 * shape.keyValueHeadCount) * shape.headDimension
        // Gate and up, and their product.
        case .feedForward: 3 * shape.feedForwardLength
        }
    }
}
