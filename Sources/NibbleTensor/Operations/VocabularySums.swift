internal import CKernels
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Log-sum-exp, largest logit, target's logit and divergence from the first head, for every token of several heads
/// with one vocabulary.
///
/// The vocabulary is cut in ``segments`` parts, whatever the number of threads; each is walked in slices, and the
/// parts are put together in order. So results do not depend on threads, and memory is a few slices a thread.
public struct VocabularySums: Sendable {
    private static let segments = 32

    private let heads: Int
    private let tokens: Int
    /// `[head][token]`
    private var logSums: [Double]
    private var tops: [Int32]
    private var targets: [Double]
    private var divergences: [Double]

    /// - Parameters:
    ///   - heads: heads over the same tokens and the same vocabulary.
    ///   - targets: the token whose probability counts, for every token of the heads.
    /// - Returns: nil where a logit is NaN or infinite.
    public init?(_ heads: [VocabularyHead], targets: [Int32], compute: Compute) {
        let tokens = heads[0].layout.length
        precondition(targets.count == tokens, "\(targets.count) targets for \(tokens) tokens")
        let walk = VocabularyWalk(heads, targets: targets, segments: Self.segments, compute: compute)
        guard walk.run() else { return nil }
        self.heads = heads.count
        self.tokens = tokens
        let count = heads.count * tokens
        logSums = Array(repeating: 0, count: count)
        tops = Array(repeating: 0, count: count)
        self.targets = Array(repeating: 0, count: count)
        divergences = Array(repeating: 0, count: count)
        for token in 0..<tokens { combine(walk, token) }
    }

    private mutating func combine(_ walk: VocabularyWalk, _ token: Int) {
        for head in 0..<heads {
            var maximum = -Float.infinity
            var top: Int32 = 0
            for segment in 0..<Self.segments {
                let part = walk.maximum(segment, head, token)
                if part > maximum { (maximum, top) = (part, walk.top(segment, head, token)) }
            }
            var sum = 0.0
            for segment in 0..<Self.segments {
                sum +=
                    walk.sum(segment, head, token) * exp(Double(walk.maximum(segment, head, token) - maximum))
            }
            let index = head * tokens + token
            logSums[index] = Double(maximum) + log(sum)
            tops[index] = top
            targets[index] = Double(walk.target(head, token))
            guard head > 0 else { continue }
            // KL = Σ p (b - o) - lse_b + lse_o with p = exp(b - lse_b).
            var cross = 0.0
            for segment in 0..<Self.segments {
                let part = Double(walk.maximum(segment, 0, token)) - logSums[token]
                cross += walk.cross(segment, head, token) * exp(part)
            }
            divergences[index] = cross - logSums[token] + logSums[index]
        }
    }

    /// -log p of a token's target.
    public func negativeLogLikelihood(head: Int, token: Int) -> Double {
        logSums[head * tokens + token] - targets[head * tokens + token]
    }

    /// The token of the vocabulary with the largest logit; the first of several.
    public func top(head: Int, token: Int) -> Int32 { tops[head * tokens + token] }

    /// KL(first head || head) in nats.
    public func divergence(head: Int, token: Int) -> Double { divergences[head * tokens + token] }

    /// log Σ exp(logit).
    public func logSum(head: Int, token: Int) -> Double { logSums[head * tokens + token] }
}

// @unchecked: threads write the sums of different segments.
/// The walk over the vocabulary and its running sums, one set for each segment.
private final class VocabularyWalk: @unchecked Sendable {
    private let heads: [VocabularyHead]
    private let targetTokens: [Int32]
    private let segments: Int
    private let compute: Compute
    private let lanes: Int
    // `[segment][head][lane of all panels]`
    private let maxima: Buffer
    private let sums: Buffer
    private let tops: Buffer
    private let crosses: Buffer
    /// `[head][lane]`: every target lies in one segment.
    private let targetLogits: Buffer

    init(_ heads: [VocabularyHead], targets: [Int32], segments: Int, compute: Compute) {
        self.heads = heads
        self.segments = segments
        self.compute = compute
        let layout = heads[0].layout
        for head in heads.dropFirst() {
            precondition(
                head.layout == layout && head.weight.rows == heads[0].weight.rows, "heads of different shape")
        }
        lanes = layout.panels * layout.width
        targetTokens = targets + Array(repeating: -1, count: lanes - targets.count)
        let count = segments * heads.count * lanes
        maxima = compute.pool.take(bytes: 4 * count)
        sums = compute.pool.take(bytes: 8 * count)
        tops = compute.pool.take(bytes: 4 * count)
        crosses = compute.pool.take(bytes: 8 * count)
        targetLogits = compute.pool.take(bytes: 4 * heads.count * lanes)
        maxima.bound(to: Float.self).update(repeating: -.infinity, count: count)
        sums.bound(to: Double.self).update(repeating: 0, count: count)
        tops.bound(to: Int32.self).update(repeating: 0, count: count)
        crosses.bound(to: Double.self).update(repeating: 0, count: count)
        targetLogits.bound(to: Float.self).update(repeating: -.infinity, count: heads.count * lanes)
    }

    private func index(_ segment: Int, _ head: Int, _ lane: Int) -> Int {
        (segment * heads.count + head) * lanes + lane
    }

    func maximum(_ segment: Int, _ head: Int, _ token: Int) -> Float {
        maxima.bound(to: Float.self)[index(segment, head, token)]
    }
    func sum(_ segment: Int, _ head: Int, _ token: Int) -> Double {
        sums.bound(to: Double.self)[index(segment, head, token)]
    }
    func top(_ segment: Int, _ head: Int, _ token: Int) -> Int32 {
        tops.bound(to: Int32.self)[index(segment, head, token)]
    }
    func cross(_ segment: Int, _ head: Int, _ token: Int) -> Double {
        crosses.bound(to: Double.self)[index(segment, head, token)]
    }
    func target(_ head: Int, _ token: Int) -> Float {
        targetLogits.bound(to: Float.self)[head * lanes + token]
    }

    /// False where a logit is NaN or infinite.
    func run() -> Bool {
        let rows = heads[0].weight.rows
        let invalid = Atomic<Bool>(false)
        // The smallest height suits every head.
        let height = heads.map(\.sliceHeight).min() ?? 1
        let slices = (rows + height - 1) / height
        compute.workers.forEach(segments) { segment in
            let width = heads[0].layout.width
            let buffers = heads.map { _ in compute.pool.take(bytes: height * width * 4) }
            for slice in slices * segment / segments..<slices * (segment + 1) / segments {
                let range = slice * height..<min((slice + 1) * height, rows)
                let slabs = heads.map { $0.slab(range) }
                for panel in 0..<heads[0].layout.panels {
                    for (head, buffer) in buffers.enumerated() {
                        heads[head].logits(slabs[head], panel: panel, into: buffer.bound(to: Float.self))
                    }
                    let logits = buffers.map { $0.bound(to: Float.self) }
                    if !add(logits, range, panel: panel, segment: segment) {
                        invalid.store(true, ordering: .relaxed)
                    }
                }
            }
        }
        return !invalid.load(ordering: .relaxed)
    }

    private func add(
        _ logits: [UnsafeMutablePointer<Float>], _ rows: Range<Int>, panel: Int, segment: Int
    ) -> Bool {
        let width = heads[0].layout.width
        let level = compute.levelNumber
        var isFinite = true
        let base = maxima.bound(to: Float.self) + index(segment, 0, panel * width)
        for head in 1..<max(heads.count, 1) {
            nibble_add_cross(
                logits[0], logits[head], rows.count, width, base,
                crosses.bound(to: Double.self) + index(segment, head, panel * width), level)
        }
        for head in heads.indices {
            let first = index(segment, head, panel * width)
            let running = nibble_softmax_sums(
                maximum: maxima.bound(to: Float.self) + first, sum: sums.bound(to: Double.self) + first,
                argmax: tops.bound(to: Int32.self) + first)
            if nibble_add_logits(logits[head], rows.count, width, Int32(rows.lowerBound), running, level) != 0
            {
                isFinite = false
            }
        }
        for lane in 0..<width {
            let target = Int(targetTokens[panel * width + lane])
            guard rows.contains(target) else { continue }
            for head in heads.indices {
                targetLogits.bound(to: Float.self)[head * lanes + panel * width + lane] =
                    logits[head][(target - rows.lowerBound) * width + lane]
            }
        }
        return isFinite
    }
}
