internal import CKernels
internal import Synchronization

// @unchecked: threads write the sums of different segments.
/// The walk over the vocabulary and its running sums, one set for each segment.
final class VocabularyWalk: @unchecked Sendable {
    private let sources: [any LogitSource]
    private let targetTokens: [Int32]
    private let segments: Int
    private let compute: Compute
    private let lanes: Int
    // `[segment][source][lane of all panels]`
    private let maxima: Buffer
    private let sums: Buffer
    private let tops: Buffer
    private let crosses: Buffer
    /// `[source][lane]`: every target lies in one segment.
    private let targetLogits: Buffer

    init(_ sources: [any LogitSource], targets: [Int32], segments: Int, compute: Compute) {
        self.sources = sources
        self.segments = segments
        self.compute = compute
        let layout = sources[0].layout
        for source in sources.dropFirst() {
            precondition(
                source.layout == layout && source.vocabularySize == sources[0].vocabularySize,
                "sources of different shape")
        }
        lanes = layout.panels * layout.width
        targetTokens = targets + Array(repeating: -1, count: lanes - targets.count)
        let count = segments * sources.count * lanes
        maxima = compute.pool.take(bytes: 4 * count)
        sums = compute.pool.take(bytes: 8 * count)
        tops = compute.pool.take(bytes: 4 * count)
        crosses = compute.pool.take(bytes: 8 * count)
        targetLogits = compute.pool.take(bytes: 4 * sources.count * lanes)
        maxima.bound(to: Float.self).update(repeating: -.infinity, count: count)
        sums.bound(to: Double.self).update(repeating: 0, count: count)
        tops.bound(to: Int32.self).update(repeating: 0, count: count)
        crosses.bound(to: Double.self).update(repeating: 0, count: count)
        targetLogits.bound(to: Float.self).update(repeating: -.infinity, count: sources.count * lanes)
    }

    private func index(_ segment: Int, _ source: Int, _ lane: Int) -> Int {
        (segment * sources.count + source) * lanes + lane
    }

    func maximum(_ segment: Int, _ source: Int, _ token: Int) -> Float {
        maxima.bound(to: Float.self)[index(segment, source, token)]
    }
    func sum(_ segment: Int, _ source: Int, _ token: Int) -> Double {
        sums.bound(to: Double.self)[index(segment, source, token)]
    }
    func top(_ segment: Int, _ source: Int, _ token: Int) -> Int32 {
        tops.bound(to: Int32.self)[index(segment, source, token)]
    }
    func cross(_ segment: Int, _ source: Int, _ token: Int) -> Double {
        crosses.bound(to: Double.self)[index(segment, source, token)]
    }
    func target(_ source: Int, _ token: Int) -> Float {
        targetLogits.bound(to: Float.self)[source * lanes + token]
    }

    /// False where a logit is NaN or infinite.
    func run() -> Bool {
        let rows = sources[0].vocabularySize
        let invalid = Atomic<Bool>(false)
        // The smallest height suits every source.
        let height = sources.map(\.sliceHeight).min() ?? 1
        let count = (rows + height - 1) / height
        compute.workers.forEach(segments) { segment in
            let width = sources[0].layout.width
            let buffers = sources.map { _ in compute.pool.take(bytes: height * width * 4) }
            // The pointers do not keep their buffers.
            withExtendedLifetime(buffers) {
                let own = buffers.map { $0.bound(to: Float.self) }
                let range = count * segment / segments..<count * (segment + 1) / segments
                if !add(slices: range, height: height, segment: segment, own) {
                    invalid.store(true, ordering: .relaxed)
                }
            }
        }
        return !invalid.load(ordering: .relaxed)
    }

    /// Adds slices of `height` rows of a segment; `own` has room for one of each source that does not keep its logits.
    private func add(
        slices: Range<Int>, height: Int, segment: Int, _ own: [UnsafeMutablePointer<Float>]
    ) -> Bool {
        var isFinite = true
        var logits = own
        for slice in slices {
            let rows = slice * height..<min((slice + 1) * height, sources[0].vocabularySize)
            let fills = sources.map { $0.slice(rows) }
            for panel in 0..<sources[0].layout.panels {
                for (index, fill) in fills.enumerated() {
                    logits[index] = sources[index].place(panel: panel, row: rows.lowerBound) ?? own[index]
                    fill(panel, logits[index])
                }
                if !add(logits, rows, panel: panel, segment: segment) { isFinite = false }
            }
        }
        return isFinite
    }

    private func add(
        _ logits: [UnsafeMutablePointer<Float>], _ rows: Range<Int>, panel: Int, segment: Int
    ) -> Bool {
        let width = sources[0].layout.width
        let level = compute.levelNumber
        var isFinite = true
        let base = maxima.bound(to: Float.self) + index(segment, 0, panel * width)
        // With one other source, the usual case, base and cross share their exponentials.
        let isPair = sources.count == 2
        for source in 1..<max(sources.count, 1) where !isPair {
            nibble_add_cross(
                logits[0], logits[source], rows.count, width, base,
                crosses.bound(to: Double.self) + index(segment, source, panel * width), level)
        }
        for source in sources.indices {
            let first = index(segment, source, panel * width)
            let running = nibble_softmax_sums(
                maximum: maxima.bound(to: Float.self) + first, sum: sums.bound(to: Double.self) + first,
                argmax: tops.bound(to: Int32.self) + first)
            let start = Int32(rows.lowerBound)
            let invalid =
                isPair && source == 0
                ? nibble_add_base(
                    logits[0], logits[1], rows.count, width, start, running,
                    crosses.bound(to: Double.self) + index(segment, 1, panel * width), level)
                : nibble_add_logits(logits[source], rows.count, width, start, running, level)
            if invalid != 0 { isFinite = false }
        }
        for lane in 0..<width {
            let target = Int(targetTokens[panel * width + lane])
            guard rows.contains(target) else { continue }
            for source in sources.indices {
                targetLogits.bound(to: Float.self)[source * lanes + panel * width + lane] =
                    logits[source][(target - rows.lowerBound) * width + lane]
            }
        }
        return isFinite
    }
}
