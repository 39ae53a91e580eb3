/// Where the logits of some tokens come from, a slice of the vocabulary at a time: a head that computes them, or a
/// file that recorded them.
public protocol LogitSource: Sendable {
    /// The layout of the tokens, one sequence.
    var layout: PanelLayout { get }
    /// Tokens of the vocabulary.
    var vocabularySize: Int { get }
    /// Rows of the vocabulary that are best worked on at a time; at least 1.
    var sliceHeight: Int { get }
    /// Whether logits are the logarithms of probabilities already, though their exponentials may not add up to 1:
    /// those too small to be recorded are -infinity.
    var isNormalized: Bool { get }

    /// Prepares some rows, at most ``sliceHeight``, for all panels.
    ///
    /// - Returns: a function that fills `[rows][width]` with the logits of a panel; padding gets any numbers but NaN.
    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void

    /// Where the logits of a panel are to be put, from a row of the vocabulary on; nil where the source does not keep
    /// them.
    func place(panel: Int, row: Int) -> UnsafeMutablePointer<Float>?
}

extension LogitSource {
    /// Nil.
    public func place(panel: Int, row: Int) -> UnsafeMutablePointer<Float>? { nil }
}
