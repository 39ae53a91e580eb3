internal import CLibrary

extension VocabularyHead {
    /// Draws a token of the vocabulary behind each token of the states, with the probability that the softmax of its logits
    /// gives it.
    ///
    /// No logits are held: those of a slice are summed up as exponentials, and those of the slice that is drawn are computed
    /// again. What is drawn behind a token does not depend on the tokens beside it, nor on the number of threads.
    ///
    /// - Parameters:
    ///   - shares: one number in [0, 1) for each token of the states: the share of the probability that lies before the token
    ///     that is drawn, in the order of the vocabulary.
    ///   - excluded: tokens of the vocabulary that are not drawn; not all of it.
    /// - Returns: nil where a logit is NaN or positive infinity.
    public func draw(_ shares: [Double], excluding excluded: [Int] = []) -> [Int32]? {
        precondition(shares.count == layout.length, "\(shares.count) shares for \(layout.length) tokens")
        precondition(shares.allSatisfy { 0 <= $0 && $0 < 1 }, "shares beyond [0, 1)")
        precondition(excluded.count < vocabularySize, "all \(vocabularySize) tokens are excluded")
        let draw = VocabularyDraw(self, excluded: excluded)
        guard draw.walk.run() else { return nil }
        var tokens = [Int32](repeating: 0, count: shares.count)
        tokens.withUnsafeMutableBufferPointer { tokens in
            // Each iteration has a token of its own.
            nonisolated(unsafe) let tokens = tokens
            compute.workers.forEach(shares.count) { tokens[$0] = draw.token(at: shares[$0], behind: $0) }
        }
        return tokens
    }
}

/// Tokens by the sums of each slice of a vocabulary.
private struct VocabularyDraw: Sendable {
    /// A segment is a slice.
    let walk: VocabularyWalk
    private let source: DrawnRows
    private let slices: Int
    private let compute: Compute

    init(_ head: VocabularyHead, excluded: [Int]) {
        source = DrawnRows(head, excluded: excluded)
        slices = source.excluded.count
        compute = head.compute
        walk = VocabularyWalk([source], targets: [], segments: slices, compute: compute)
    }

    /// The token of the vocabulary before which a share of the probability lies.
    ///
    /// - Parameter token: of the states.
    func token(at share: Double, behind token: Int) -> Int32 {
        let maximum = (0..<slices).reduce(-Float.infinity) { max($0, walk.maximum($1, 0, token)) }
        let weights = (0..<slices).map {
            walk.sum($0, 0, token) * exp(Double(walk.maximum($0, 0, token) - maximum))
        }
        let (slice, rest) = Self.place(of: share * weights.reduce(0, +), in: weights)
        let (height, width) = (source.sliceHeight, source.layout.width)
        let rows = slice * height..<min((slice + 1) * height, source.vocabularySize)
        let buffer = compute.pool.take(bytes: height * width * 4)
        // The pointer does not keep its buffer.
        return withExtendedLifetime(buffer) {
            let logits = buffer.bound(to: Float.self)
            source.slice(rows)(token / width, logits)
            let exponentials = (0..<rows.count).map {
                exp(Double(logits[$0 * width + token % width] - maximum))
            }
            return Int32(rows.lowerBound + Self.place(of: rest, in: exponentials).index)
        }
    }

    /// Where in a series of weights a sum is passed, and how much of it is left there; the last that is not zero where rounding
    /// left more than there is.
    private static func place(of sum: Double, in weights: [Double]) -> (index: Int, rest: Double) {
        var (rest, last) = (sum, (index: 0, rest: 0.0))
        for (index, weight) in weights.enumerated() where weight > 0 {
            if rest < weight { return (index, rest) }
            rest -= weight
            last = (index, weight)
        }
        return last
    }
}

/// The logits of a head, -infinity where a token is not drawn.
private struct DrawnRows: LogitSource {
    /// Rows of each slice that are not drawn.
    let excluded: [[Int]]
    private let head: VocabularyHead

    init(_ head: VocabularyHead, excluded: [Int]) {
        self.head = head
        let height = head.sliceHeight
        var rows = [[Int]](repeating: [], count: (head.vocabularySize + height - 1) / height)
        for token in excluded { rows[token / height].append(token % height) }
        self.excluded = rows
    }

    var layout: PanelLayout { head.layout }
    var vocabularySize: Int { head.vocabularySize }
    var sliceHeight: Int { head.sliceHeight }
    var isNormalized: Bool { false }

    /// Whole slices.
    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        let (fill, width) = (head.slice(rows), layout.width)
        let own = excluded[rows.lowerBound / sliceHeight]
        return { panel, logits in
            fill(panel, logits)
            for row in own { (logits + row * width).update(repeating: -.infinity, count: width) }
        }
    }
}
