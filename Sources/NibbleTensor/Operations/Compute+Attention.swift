internal import CKernels

extension Compute {
    /// Causal attention of a batch whose sequences begin at position `start`.
    ///
    /// - Parameters:
    ///   - query: `heads * head` features, rotated and scaled.
    ///   - key, value: `cache.heads * head` features, keys rotated; they are stored in `cache`.
    ///   - first: the sequence of the cache that the batch's first one is.
    ///   - window: keys that a query sees, itself included; nil for all.
    /// - Returns: the heads' results side by side, as many features as `query` has.
    public func attention(
        query: Tensor, key: Tensor, value: Tensor, cache: KeyValueCache, first: Int = 0, start: Int = 0,
        window: Int?, tape: Tape? = nil
    ) -> Tensor {
        let layout = query.layout
        precondition(
            first + layout.sequences <= cache.sequences && start + layout.length <= cache.capacity,
            "cache too small")
        check(query: query, key: key, value: value, cache: cache, window: window)
        let heads = query.features / cache.head
        store(key, value, in: cache, first: first, start: start)
        let result = tensor(features: query.features, layout: layout)
        // Panels of late positions see the most keys: they go first, so that no thread is left with one.
        workers.forEach(layout.panels * heads) { job in
            let head = job % heads
            let panel = layout.panels - 1 - job / heads
            let index = panel % layout.panelsPerSequence
            let position = start + index * layout.width
            let last = start + min((index + 1) * layout.width, layout.length)
            let lowest = max(0, window.map { position - $0 + 1 } ?? 0)
            let job = AttentionJob(
                query: query.panel(panel) + head * cache.head * layout.width, width: layout.width,
                firstQuery: position, keys: lowest..<last, window: window ?? 0,
                sequence: first + panel / layout.panelsPerSequence, head: head * cache.heads / heads,
                cache: cache,
                result: result.panel(panel) + head * cache.head * layout.width)
            job.run(self)
        }
        if let tape {
            precondition(start == 0, "a sequence is differentiated as a whole")
            tape.record(result) { [self] gradient, adjoints, _ in
                let backward = AttentionBackward(
                    query: query, key: key, value: value, head: cache.head, window: window, compute: self)
                let result = backward.run(gradient)
                adjoints.add(result.query, to: query)
                adjoints.add(result.key, to: key)
                adjoints.add(result.value, to: value)
            }
        }
        return result
    }

    /// Checks the widths of what meets in attention, and the window.
    func check(query: Tensor, key: Tensor, value: Tensor, cache: KeyValueCache, window: Int?) {
        precondition(key.layout == query.layout && value.layout == query.layout, "keys of another layout")
        precondition(
            key.features == cache.heads * cache.head && value.features == key.features,
            "\(key.features) and \(value.features) features for \(cache.heads) heads of \(cache.head)")
        precondition(
            query.features.isMultiple(of: key.features), "\(query.features) features to \(key.features)")
        precondition(window ?? 1 > 0, "a window of \(window ?? 0) keys")
    }

    private func store(_ key: Tensor, _ value: Tensor, in cache: KeyValueCache, first: Int, start: Int) {
        let layout = key.layout
        workers.forEach(layout.panels * cache.heads) { job in
            let (panel, head) = (job / cache.heads, job % cache.heads)
            let index = panel % layout.panelsPerSequence
            let position = index * layout.width
            let offset = head * cache.head * layout.width
            cache.store(
                keys: key.panel(panel) + offset, values: value.panel(panel) + offset, width: layout.width,
                count: min(layout.width, layout.length - position),
                sequence: first + panel / layout.panelsPerSequence,
                head: head, position: start + position, level: levelNumber)
        }
    }
}

/// One head of one panel of queries against the keys that it may see.
private struct AttentionJob {
    let query: UnsafeMutablePointer<Float>
    let width: Int
    let firstQuery: Int
    let keys: Range<Int>
    let window: Int
    let sequence: Int
    let head: Int
    let cache: KeyValueCache
    let result: UnsafeMutablePointer<Float>

    func run(_ compute: Compute) {
        let size = keys.count * width
        let scores = compute.pool.take(bytes: size * 4)
        let s = scores.bound(to: Float.self)
        let sums = compute.pool.take(bytes: width * 4)
        let inverse = sums.bound(to: Float.self)
        let level = compute.levelNumber
        let rows = cache.keys(sequence: sequence, head: head) + keys.lowerBound * cache.head
        nibble_f32_product(rows, cache.head, keys.count, cache.head, query, width, s, level)
        nibble_attention_softmax(
            s, keys.count, width, Int64(keys.lowerBound), Int64(firstQuery), Int64(window), inverse, level)
        let columns = cache.values(sequence: sequence, head: head) + keys.lowerBound
        nibble_f32_product(columns, cache.capacity, cache.head, keys.count, s, width, result, level)
        nibble_scale_lanes(result, inverse, cache.head, width, level)
    }
}
