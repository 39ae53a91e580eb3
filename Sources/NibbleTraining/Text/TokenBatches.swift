internal import NibbleNumerics
public import NibbleTokenizer

/// Which sequences of a text each step of training has: a new random order in each epoch, the same for the same seed
/// on every machine.
///
/// The batch of a step depends on the text, the seed and the step alone, so that a run goes on at any step without
/// state of its own.
///
/// Batch s has the places s · b ..< (s + 1) · b of the epochs' orders written one after the other, with b
/// sequences a step. The order of epoch e is made by Fisher and Yates's shuffle of 0 ..< n: for i = n - 1 down to 1,
/// exchange i with a number drawn evenly from 0 ... i, by Lemire's method (2019), which has no bias, from SplitMix64
/// with state mix(mix(seed) + γ (e + 1)).
public struct TokenBatches: Sendable {
    /// The text.
    public let text: TokenSequences
    /// Sequences of a step.
    public let sequencesPerStep: Int
    /// What distinguishes one order from another.
    public let seed: UInt64

    /// Makes batches of a text.
    ///
    /// - Parameter sequencesPerStep: 1 or more.
    /// - Throws: ``TextError`` where the text has fewer sequences than a step.
    public init(_ text: TokenSequences, sequencesPerStep: Int, seed: UInt64) throws(TextError) {
        precondition(sequencesPerStep >= 1, "\(sequencesPerStep) sequences a step")
        guard text.sequenceCount >= sequencesPerStep else {
            throw TextError(
                "text",
                "has \(text.sequenceCount) sequences of \(text.sequenceLength) tokens (\(text.tokenCount) tokens),"
                    + " a step needs \(sequencesPerStep) (\(sequencesPerStep * text.sequenceLength) tokens)",
                advice: "add text, or lower train.sequences_per_step or train.sequence_length")
        }
        self.text = text
        self.sequencesPerStep = sequencesPerStep
        self.seed = seed
    }

    /// The sequences of a step, `[sequencesPerStep][sequenceLength]`. Steps count from 0.
    ///
    /// - Complexity: `O(sequences of the text)`, a few nanoseconds each.
    public func batch(step: Int) -> [[Int32]] { indices(step: step).map(text.sequence) }

    /// How often `steps` steps go through the text.
    public func epochs(steps: Int) -> Double {
        Double(steps) * Double(sequencesPerStep) / Double(text.sequenceCount)
    }

    /// The numbers of a step's sequences within ``text``.
    func indices(step: Int) -> [Int] {
        precondition(step >= 0 && step < .max / sequencesPerStep, "step \(step)")
        let first = step * sequencesPerStep
        var epoch = first / text.sequenceCount
        var order = order(epoch: epoch)
        return (first..<first + sequencesPerStep).map { place in
            if place / text.sequenceCount != epoch {
                epoch = place / text.sequenceCount
                order = self.order(epoch: epoch)
            }
            return order[place % text.sequenceCount]
        }
    }

    /// The numbers of all sequences in the order of an epoch.
    func order(epoch: Int) -> [Int] {
        var state = SplitMix64.mix(SplitMix64.mix(seed) &+ SplitMix64.gamma &* (UInt64(epoch) &+ 1))
        func next() -> UInt64 {
            state &+= SplitMix64.gamma
            return SplitMix64.mix(state)
        }
        func draw(below limit: UInt64) -> Int {
            var product = next().multipliedFullWidth(by: limit)
            // Products whose low half is below 2⁶⁴ modulo the limit would favour some numbers.
            let rejected = (0 &- limit) % limit
            while product.low < rejected { product = next().multipliedFullWidth(by: limit) }
            return Int(product.high)
        }
        var order = Array(0..<text.sequenceCount)
        for last in stride(from: order.count - 1, to: 0, by: -1) {
            order.swapAt(last, draw(below: UInt64(last) + 1))
        }
        return order
    }
}
