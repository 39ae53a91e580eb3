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
///
/// With shares of kinds, the places are dealt out to the kinds by ``TextShares/place(_:)``, and each kind goes through orders
/// of its own: those of kind k are made with the seed mix(seed + γ k), those of the first with the seed itself.
public struct TokenBatches: Sendable {
    /// The text.
    public let text: TokenSequences
    /// Sequences of a step.
    public let sequencesPerStep: Int
    /// What distinguishes one order from another.
    public let seed: UInt64
    /// How much of a run is of each kind of the text; nil: as much as the text has of it.
    public let shares: TextShares?

    /// Makes batches of a text.
    ///
    /// - Parameters:
    ///   - sequencesPerStep: 1 or more.
    ///   - shares: of each of the text's kinds.
    /// - Throws: ``TextError`` where the text has fewer sequences than a step.
    public init(
        _ text: TokenSequences, sequencesPerStep: Int, seed: UInt64, shares: TextShares? = nil
    ) throws(TextError) {
        precondition(sequencesPerStep >= 1, "\(sequencesPerStep) sequences a step")
        precondition(
            shares.map { $0.kindCount == text.kinds.count } ?? true, "shares of other kinds than the text's")
        guard text.sequenceCount >= sequencesPerStep else {
            throw TextError(
                "text",
                "has \(text.sequenceCount) sequences of \(text.sequenceLength) tokens (\(text.tokenCount) tokens),"
                    + " a step needs \(sequencesPerStep) (\(sequencesPerStep * text.sequenceLength) tokens)",
                advice: "add text, or lower train.sequences_per_step or train.sequence_length")
        }
        if shares != nil, let empty = text.kinds.first(where: \.sequences.isEmpty) {
            throw TextError("text '\(empty.name ?? "")'", "has no sequence left", advice: "add text")
        }
        self.text = text
        self.sequencesPerStep = sequencesPerStep
        self.seed = seed
        self.shares = shares
    }

    /// The sequences of a step, `[sequencesPerStep][sequenceLength]`. Steps count from 0.
    ///
    /// - Complexity: `O(sequences of the text)`, a few nanoseconds each.
    public func batch(step: Int) -> [[Int32]] { indices(step: step).map(text.sequence) }

    /// How often `steps` steps go through the text; through each kind of it, where it is taken by shares.
    public func epochs(steps: Int) -> [Double] {
        let total = Double(steps) * Double(sequencesPerStep)
        guard let shares else { return [total / Double(text.sequenceCount)] }
        return text.kinds.enumerated().map { total * shares.share(of: $0) / Double($1.sequences.count) }
    }

    /// The numbers of a step's sequences within ``text``.
    func indices(step: Int) -> [Int] {
        precondition(step >= 0 && step < .max / sequencesPerStep, "step \(step)")
        let first = step * sequencesPerStep
        var orders = Orders(self)
        return (first..<first + sequencesPerStep).map { orders.sequence($0) }
    }

    /// The sequences that some steps go through, each once, in the order in which they come.
    func used(steps: Int) -> [Int] {
        var orders = Orders(self)
        var seen: Set<Int> = []
        var used: [Int] = []
        var place = 0
        while place < steps * sequencesPerStep, used.count < text.sequenceCount {
            let sequence = orders.sequence(place)
            if seen.insert(sequence).inserted { used.append(sequence) }
            place += 1
        }
        return used
    }

    /// The numbers of some sequences in the order of an epoch.
    private static func order(of sequences: Range<Int>, epoch: Int, seed: UInt64) -> [Int] {
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
        var order = Array(sequences)
        for last in stride(from: order.count - 1, to: 0, by: -1) {
            order.swapAt(last, draw(below: UInt64(last) + 1))
        }
        return order
    }

    /// The order of the epoch that each kind is in.
    private struct Orders {
        private let batches: TokenBatches
        /// Sequences of each kind; of the whole text where it is not taken by shares.
        private let ranges: [Range<Int>]
        private var orders: [(epoch: Int, sequences: [Int])?]

        init(_ batches: TokenBatches) {
            self.batches = batches
            ranges =
                batches.shares == nil
                ? [0..<batches.text.sequenceCount] : batches.text.kinds.map(\.sequences)
            orders = ranges.map { _ in nil }
        }

        /// The sequence at a place of the orders written one after the other.
        mutating func sequence(_ place: Int) -> Int {
            let (kind, index) = batches.shares?.place(place) ?? (0, place)
            let (epoch, rank) = index.quotientAndRemainder(dividingBy: ranges[kind].count)
            if let order = orders[kind], order.epoch == epoch { return order.sequences[rank] }
            let seed =
                kind == 0
                ? batches.seed : SplitMix64.mix(batches.seed &+ SplitMix64.gamma &* UInt64(kind))
            let order = TokenBatches.order(of: ranges[kind], epoch: epoch, seed: seed)
            orders[kind] = (epoch, order)
            return order[rank]
        }
    }
}
