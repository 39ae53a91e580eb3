/// How blocks fare when the values that they decode to are stored as plain numbers and encoded again.
public struct ReencodingCounts: Sendable, Equatable {
    /// Blocks that have the same bytes again.
    public var identical = 0
    /// Blocks with other bytes that decode to the same values, such as blocks of zeros.
    public var sameValues = 0
    /// Blocks with the same codes whose scales differ.
    public var scalesMoved = 0
    /// Blocks with other codes.
    public var codesMoved = 0

    /// No blocks.
    public init() {}

    /// All blocks.
    public var blocks: Int { identical + sameValues + scalesMoved + codesMoved }

    /// Blocks that decode to other values.
    public var changed: Int { scalesMoved + codesMoved }

    /// The blocks of both.
    public static func + (left: ReencodingCounts, right: ReencodingCounts) -> ReencodingCounts {
        var sum = left
        sum.identical += right.identical
        sum.sameValues += right.sameValues
        sum.scalesMoved += right.scalesMoved
        sum.codesMoved += right.codesMoved
        return sum
    }

    /// Counts one more block.
    mutating func count(_ outcome: Reencoding.Outcome) {
        switch outcome {
        case .identical: identical += 1
        case .sameValues: sameValues += 1
        case .scalesMoved: scalesMoved += 1
        case .codesMoved: codesMoved += 1
        }
    }
}
