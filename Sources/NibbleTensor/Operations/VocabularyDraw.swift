internal import CKernels
internal import CLibrary
internal import Synchronization

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
        let sums = VocabularySliceSums(self, excluded: excluded)
        guard sums.run() else { return nil }
        var tokens = [Int32](repeating: 0, count: shares.count)
        tokens.withUnsafeMutableBufferPointer { tokens in
            // Each iteration has a token of its own.
            nonisolated(unsafe) let tokens = tokens
            compute.workers.forEach(shares.count) { tokens[$0] = sums.draw(shares[$0], token: $0) }
        }
        return tokens
    }
}

// @unchecked: threads write the sums of different slices.
/// Sums of exponentials of each slice of a vocabulary.
private final class VocabularySliceSums: @unchecked Sendable {
    private let head: VocabularyHead
    /// Rows of each slice that are not drawn.
    private let excluded: [[Int]]
    private let slices: Int
    private let lanes: Int
    // `[slice][lane of all panels]`
    private let maxima: Buffer
    private let sums: Buffer

    init(_ head: VocabularyHead, excluded: [Int]) {
        self.head = head
        slices = (head.vocabularySize + head.sliceHeight - 1) / head.sliceHeight
        var rows = [[Int]](repeating: [], count: slices)
        for token in excluded { rows[token / head.sliceHeight].append(token % head.sliceHeight) }
        self.excluded = rows
        lanes = head.layout.panels * head.layout.width
        maxima = head.compute.pool.take(bytes: 4 * slices * lanes)
        sums = head.compute.pool.take(bytes: 8 * slices * lanes)
        maxima.bound(to: Float.self).update(repeating: -.infinity, count: slices * lanes)
        sums.bound(to: Double.self).update(repeating: 0, count: slices * lanes)
    }

    private var sliceBytes: Int { head.sliceHeight * head.layout.width * 4 }

    private func rows(_ slice: Int) -> Range<Int> {
        slice * head.sliceHeight..<min((slice + 1) * head.sliceHeight, head.vocabularySize)
    }

    /// False where a logit is NaN or positive infinity.
    func run() -> Bool {
        let invalid = Atomic<Bool>(false)
        let width = head.layout.width
        head.compute.workers.forEach(slices) { slice in
            let rows = rows(slice)
            let fill = head.slice(rows)
            let buffer = head.compute.pool.take(bytes: sliceBytes)
            let tops = head.compute.pool.take(bytes: 4 * width)
            let logits = buffer.bound(to: Float.self)
            tops.bound(to: Int32.self).update(repeating: 0, count: width)
            for panel in 0..<head.layout.panels {
                fill(panel, logits)
                exclude(from: logits, of: slice)
                let first = slice * lanes + panel * width
                let running = nibble_softmax_sums(
                    maximum: maxima.bound(to: Float.self) + first, sum: sums.bound(to: Double.self) + first,
                    argmax: tops.bound(to: Int32.self))
                let isInvalid = nibble_add_logits(
                    logits, rows.count, width, Int32(rows.lowerBound), running, head.compute.levelNumber)
                if isInvalid != 0 { invalid.store(true, ordering: .relaxed) }
            }
        }
        return !invalid.load(ordering: .relaxed)
    }

    /// Sets the logits of rows that are not drawn to -infinity.
    private func exclude(from logits: UnsafeMutablePointer<Float>, of slice: Int) {
        let width = head.layout.width
        for row in excluded[slice] {
            (logits + row * width).update(repeating: -.infinity, count: width)
        }
    }

    /// The token of the vocabulary before which a share of the probability lies.
    func draw(_ share: Double, token: Int) -> Int32 {
        let (maxima, sums) = (maxima.bound(to: Float.self), sums.bound(to: Double.self))
        let maximum = (0..<slices).reduce(-Float.infinity) { max($0, maxima[$1 * lanes + token]) }
        let weights = (0..<slices).map {
            sums[$0 * lanes + token] * exp(Double(maxima[$0 * lanes + token] - maximum))
        }
        let (slice, rest) = Self.place(of: share * weights.reduce(0, +), in: weights)
        let (rows, width) = (rows(slice), head.layout.width)
        let buffer = head.compute.pool.take(bytes: sliceBytes)
        let logits = buffer.bound(to: Float.self)
        head.slice(rows)(token / width, logits)
        exclude(from: logits, of: slice)
        let row = Self.place(
            of: rest, in: (0..<rows.count).map { exp(Double(logits[$0 * width + token % width] - maximum)) })
        return Int32(rows.lowerBound + row.index)
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
