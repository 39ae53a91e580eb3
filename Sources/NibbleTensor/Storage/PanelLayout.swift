/// How the tokens of a batch lie in memory: in panels of ``width`` tokens, the features of a panel one after
/// the other, each with its ``width`` values side by side.
///
/// Loops then run over tokens in their vector lanes, and a panel of a thousand features fits the second cache.
/// Every sequence begins with a panel of its own; what follows its last token is padding.
public struct PanelLayout: Sendable, Equatable {
    /// Tokens of a panel, a multiple of 16.
    public let width: Int
    /// Sequences in the batch.
    public let sequences: Int
    /// Tokens of each sequence.
    public let length: Int
    /// Whether the tokens are the next ones of as many sequences, so few that weights are read for vectors.
    public let isStep: Bool

    package init(width: Int, sequences: Int, length: Int, isStep: Bool = false) {
        precondition(width > 0 && width.isMultiple(of: 16), "panels of \(width) tokens")
        precondition(sequences > 0 && length > 0, "\(sequences) sequences of \(length) tokens")
        self.width = width
        self.sequences = sequences
        self.length = length
        self.isStep = isStep
    }

    /// Panels of a sequence.
    public var panelsPerSequence: Int { (length + width - 1) / width }
    /// Panels of the batch.
    public var panels: Int { sequences * panelsPerSequence }
    /// Tokens of the batch, padding not counted.
    public var tokens: Int { sequences * length }

    /// Where a token is.
    public func place(sequence: Int, position: Int) -> (panel: Int, lane: Int) {
        (sequence * panelsPerSequence + position / width, position % width)
    }
}
