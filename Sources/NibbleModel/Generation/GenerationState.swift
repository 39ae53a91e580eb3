internal import NibbleCheckpoint
internal import NibbleTensor

/// Sequences that grow token by token, with their keys and values.
///
/// Sequences may begin at different lengths; each step adds a token to all of them in one pass over the weights.
///
/// ```swift
/// let state = try GenerationState(model, prompts: [[2, 818], [2, 9259, 236764]], capacity: 64)
/// let logits = try state.logits      // of the token that follows each prompt
/// try state.append([5279, 1902])
/// ```
public final class GenerationState {
    /// Tokens of each sequence so far.
    public private(set) var lengths: [Int]
    /// Tokens that each sequence can have.
    public let capacity: Int
    private let model: LanguageModel
    private let isInPanels: Bool
    private let caches: [KeyValueCache]
    /// The vocabulary head behind the last token of each sequence.
    private var head: VocabularyHead

    /// Tokens of a prompt that pass through the model at a time.
    private static let batch = 1024

    /// Reads the prompts.
    ///
    /// - Parameters:
    ///   - capacity: tokens that each sequence may have in the end.
    ///   - isInPanels: whether tokens pass through the model in panels however few they are, so that the bits of a sequence
    ///     do not depend on how many grow beside it. Up to four are faster without.
    /// - Precondition: no prompt is empty or longer than `capacity`.
    public init(
        _ model: LanguageModel, prompts: [[Int32]], capacity: Int, isInPanels: Bool = false
    ) throws(ModelError) {
        precondition(!prompts.isEmpty, "no prompts")
        for prompt in prompts {
            precondition(
                (1...capacity).contains(prompt.count),
                "a prompt of \(prompt.count) tokens, capacity \(capacity)")
        }
        self.model = model
        self.capacity = capacity
        self.isInPanels = isInPanels
        lengths = prompts.map(\.count)
        let caches = (0..<model.configuration.layerCount).map { _ in
            model.cache(sequences: prompts.count, positions: capacity)
        }
        self.caches = caches
        let states = model.compute.tensor(
            features: model.configuration.embeddingLength,
            layout: Self.layout(prompts.count, isInPanels: isInPanels, model.compute))
        states.fill(0)
        for (index, prompt) in prompts.enumerated() {
            let state = try Self.read(prompt, model, caches, sequence: index)
            states.setColumn(sequence: 0, position: index, to: state.span)
        }
        head = model.vocabularyHead(states)
    }

    private static func layout(_ count: Int, isInPanels: Bool, _ compute: Compute) -> PanelLayout {
        isInPanels ? compute.layout(sequences: 1, length: count) : compute.stepLayout(count: count)
    }

    /// Passes a prompt through the model, in parts; returns the final state behind it.
    private static func read(
        _ prompt: [Int32], _ model: LanguageModel, _ caches: [KeyValueCache], sequence: Int
    ) throws(ModelError) -> [Float] {
        var result: [Float] = []
        for start in stride(from: 0, to: prompt.count, by: batch) {
            let part = [Array(prompt[start..<min(start + batch, prompt.count)])]
            let length = try model.check(part)
            let compute = model.compute
            let layout = compute.layout(sequences: 1, length: length)
            let angles = model.angles { frequencies in
                compute.rotaryAngles(
                    layout: layout, frequencies: frequencies, isInterleaved: model.isInterleaved, start: start
                )
            }
            let stream = try model.residual(part, layout: layout) { layer in
                BlockAttention(
                    cache: caches[layer], place: .batch(first: sequence, start: start), angles: angles)
            }
            guard start + length == prompt.count else { continue }
            result = model.finalStates(stream, positions: length - 1..<length).column(
                sequence: 0, position: 0)
        }
        return result
    }

    /// Logits of the next token, `[sequence][vocabulary]`; computed anew each time.
    public var logits: [[Float]] {
        get throws(ModelError) {
            let logits = head.allLogits()
            // A sum is NaN or infinite where one of its terms is.
            for row in logits where !row.reduce(0, +).isFinite { throw model.nonFiniteHead }
            return logits
        }
    }

    /// Draws the next token of every sequence by its probability, as ``VocabularyHead/draw(_:excluding:)`` does, without holding
    /// logits.
    public func draw(_ shares: [Double], excluding excluded: [Int] = []) throws(ModelError) -> [Int32] {
        guard let tokens = head.draw(shares, excluding: excluded) else { throw model.nonFiniteHead }
        return tokens
    }

    /// Adds one token to every sequence.
    public func append(_ tokens: [Int32]) throws(ModelError) {
        precondition(tokens.count == lengths.count, "\(tokens.count) tokens for \(lengths.count) sequences")
        precondition(lengths.allSatisfy { $0 < capacity }, "the capacity of \(capacity) tokens is used up")
        _ = try model.check(tokens.map { [$0] })
        let compute = model.compute
        let layout = Self.layout(tokens.count, isInPanels: isInPanels, compute)
        let positions = lengths
        let angles = model.angles { frequencies in
            compute.rotaryAngles(
                layout: layout, frequencies: frequencies, isInterleaved: model.isInterleaved,
                positions: positions)
        }
        let stream = try model.residual([tokens], layout: layout) { layer in
            BlockAttention(cache: caches[layer], place: .step(positions: positions), angles: angles)
        }
        head = model.vocabularyHead(model.finalStates(stream, positions: 0..<tokens.count))
        for index in lengths.indices { lengths[index] += 1 }
    }
}
