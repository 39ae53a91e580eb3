internal import CLibrary
internal import NibbleNumerics

/// How the next token is drawn.
public struct SamplingOptions: Sendable, Equatable {
    /// Logits are divided by it after top-k and top-p; 0 takes the most probable token.
    public var temperature: Float
    /// Only the k most probable tokens are drawn from; 0 for all.
    public var topK: Int
    /// Only the most probable tokens that together reach this probability are drawn from; 1 for all.
    public var topP: Float
    /// Where the random numbers start.
    public var seed: UInt64

    /// The defaults of Gemma 3: temperature 1, top-k 64, top-p 0.95.
    public init(temperature: Float = 1, topK: Int = 64, topP: Float = 0.95, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }
}

/// Draws tokens from logits. The same seed and logits give the same tokens.
///
/// The order is llama.cpp's: top-k, then top-p of what is left, then temperature.
public struct Sampler: Sendable {
    /// How tokens are drawn.
    public let options: SamplingOptions
    private var state: UInt64

    /// Creates a sampler.
    ///
    /// - Parameter stream: numbers samplers with one seed, so that sequences side by side differ.
    public init(_ options: SamplingOptions, stream: Int = 0) {
        self.options = options
        state = SplitMix64.mix(options.seed &+ SplitMix64.mix(UInt64(truncatingIfNeeded: stream)))
    }

    /// Draws a token.
    public mutating func next(_ logits: [Float]) -> Int32 {
        precondition(!logits.isEmpty, "no logits")
        guard options.temperature > 0, options.topK != 1 else { return Self.largest(logits) }
        if options.topK <= 0, options.topP >= 1 { return drawn(fromAll: logits) }
        var candidates = Self.best(logits, options.topK)
        if options.topP < 1 { candidates = Self.nucleus(candidates, logits, options.topP) }
        let largest = logits[Int(candidates[0])]
        let weights = candidates.map { exp(Double((logits[Int($0)] - largest) / options.temperature)) }
        var rest = uniform() * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            rest -= weight
            if rest < 0 { return candidate }
        }
        // Rounding left a rest: it belongs to the last one.
        return candidates[candidates.count - 1]
    }

    /// Draws from the whole vocabulary, in its order: sorting it would take longer than a small model.
    private mutating func drawn(fromAll logits: [Float]) -> Int32 {
        let largest = logits[Int(Self.largest(logits))]
        let scale = 1 / Double(options.temperature)
        let weights = logits.map { exp(Double($0 - largest) * scale) }
        var rest = uniform() * weights.reduce(0, +)
        var last: Int32 = 0
        for (index, weight) in weights.enumerated() where weight > 0 {
            rest -= weight
            last = Int32(index)
            if rest < 0 { break }
        }
        // Where rounding left a rest, it belongs to the last one.
        return last
    }

    private static func largest(_ logits: [Float]) -> Int32 {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return Int32(best)
    }

    /// The `count` largest logits (0: all), largest first; of equal ones the first token comes first.
    private static func best(_ logits: [Float], _ count: Int) -> [Int32] {
        func precedes(_ a: Int32, _ b: Int32) -> Bool {
            let (left, right) = (logits[Int(a)], logits[Int(b)])
            return left > right || (left == right && a < b)
        }
        guard count > 0, count < logits.count else {
            return (0..<Int32(logits.count)).sorted(by: precedes)
        }
        // A heap whose root is the least of the best: few logits get past it.
        var heap: [Int32] = []
        heap.reserveCapacity(count)
        for token in 0..<Int32(logits.count) {
            if heap.count < count {
                heap.append(token)
                var child = heap.count - 1
                while child > 0, precedes(heap[(child - 1) / 2], heap[child]) {
                    heap.swapAt(child, (child - 1) / 2)
                    child = (child - 1) / 2
                }
            } else if precedes(token, heap[0]) {
                heap[0] = token
                var parent = 0
                while true {
                    var least = parent
                    for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                        if precedes(heap[least], heap[child]) { least = child }
                    }
                    guard least != parent else { break }
                    heap.swapAt(parent, least)
                    parent = least
                }
            }
        }
        return heap.sorted(by: precedes)
    }

    /// The first of `candidates` (largest first) that together have probability `share` among them; one at least.
    private static func nucleus(_ candidates: [Int32], _ logits: [Float], _ share: Float) -> [Int32] {
        let largest = logits[Int(candidates[0])]
        let weights = candidates.map { exp(Double(logits[Int($0)] - largest)) }
        let needed = weights.reduce(0, +) * Double(share)
        var sum = 0.0
        for (index, weight) in weights.enumerated() {
            sum += weight
            if sum >= needed { return Array(candidates[...index]) }
        }
        return candidates
    }

    // MARK: - Random numbers

    /// Uniform in [0, 1) with 53 bits.
    mutating func uniform() -> Double {
        state &+= SplitMix64.gamma
        return Double(SplitMix64.mix(state) >> 11) * 0x1p-53
    }
}
