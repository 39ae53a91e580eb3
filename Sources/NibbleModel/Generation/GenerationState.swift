internal import NibbleCheckpoint
internal import NibbleTensor

/// Sequences that grow token by token, with their keys and values.
///
/// Sequences may begin at different lengths; each step adds a token to all of them in one pass over the weights.
///
/// ```swift
/// let state = try GenerationState(model, prompts: [[2, 818], [2, 9259, 236764]], capacity: 64)
/// let logits = state.logits          // of the token that follows each prompt
/// try state.append([5279, 1902])
/// ```
public final class GenerationState {
    /// Logits of the next token, `[sequence][vocabulary]`.
    public private(set) var logits: [[Float]] = []
    /// Tokens of each sequence so far.
    public private(set) var lengths: [Int]
    /// Tokens that each sequence can have.
    public let capacity: Int
    private let model: LanguageModel
    private let caches: [KeyValueCache]

    /// Tokens of a prompt that pass through the model at a time.
    private static let batch = 1024

    /// Reads the prompts.
    ///
    /// - Parameter capacity: tokens that each sequence may have in the end.
    /// - Precondition: no prompt is empty or longer than `capacity`.
    public init(_ model: LanguageModel, prompts: [[Int32]], capacity: Int) throws(ModelError) {
        precondition(!prompts.isEmpty, "no prompts")
        for prompt in prompts {
            precondition(
                (1...capacity).contains(prompt.count),
                "a prompt of \(prompt.count) tokens, capacity \(capacity)")
        }
        self.model = model
        self.capacity = capacity
        lengths = prompts.map(\.count)
        caches = (0..<model.configuration.layerCount).map { _ in
            model.cache(sequences: prompts.count, positions: capacity)
        }
        for (index, prompt) in prompts.enumerated() { logits.append(try read(prompt, sequence: index)) }
    }

    /// Passes a prompt through the model, in parts; returns the logits behind it.
    private func read(_ prompt: [Int32], sequence: Int) throws(ModelError) -> [Float] {
        var result: [Float] = []
        for start in stride(from: 0, to: prompt.count, by: Self.batch) {
            let part = [Array(prompt[start..<min(start + Self.batch, prompt.count)])]
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
            result = try model.allLogits(stream, positions: length - 1..<length)[0]
        }
        return result
    }

    /// Adds one token to every sequence and updates ``logits``.
    public func append(_ tokens: [Int32]) throws(ModelError) {
        precondition(tokens.count == lengths.count, "\(tokens.count) tokens for \(lengths.count) sequences")
        precondition(lengths.allSatisfy { $0 < capacity }, "the capacity of \(capacity) tokens is used up")
        _ = try model.check(tokens.map { [$0] })
        let compute = model.compute
        let layout = compute.stepLayout(count: tokens.count)
        let positions = lengths
        let angles = model.angles { frequencies in
            compute.rotaryAngles(
                layout: layout, frequencies: frequencies, isInterleaved: model.isInterleaved,
                positions: positions)
        }
        let stream = try model.residual([tokens], layout: layout) { layer in
            BlockAttention(cache: caches[layer], place: .step(positions: positions), angles: angles)
        }
        logits = try model.allLogits(stream, positions: 0..<tokens.count)
        for index in lengths.indices { lengths[index] += 1 }
    }
}

extension LanguageModel {
    /// All logits behind some positions of a batch.
    func allLogits(_ stream: Tensor, positions: Range<Int>) throws(ModelError) -> [[Float]] {
        let head = vocabularyHead(finalStates(stream, positions: positions))
        let logits = head.allLogits()
        // A sum is NaN or infinite where one of its terms is.
        for row in logits where !row.reduce(0, +).isFinite {
            throw nonFiniteHead
        }
        return logits
    }
}
