internal import CKernels
internal import COpenBLAS

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
        window: Int?
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
            // Blocks of 32 keys, so that pairs and vectors are whole.
            let lowest = max(0, window.map { position - $0 + 1 } ?? 0) / 32 * 32
            let job = AttentionJob(
                query: query.panel(panel) + head * cache.head * layout.width, width: layout.width,
                firstQuery: position, keys: lowest..<(last + 31) / 32 * 32, window: window ?? 0,
                sequence: first + panel / layout.panelsPerSequence, head: head * cache.heads / heads,
                cache: cache,
                result: result.panel(panel) + head * cache.head * layout.width)
            job.run(self)
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
        if cache.isBF16 {
            let packed = compute.pool.take(bytes: max(size, cache.head * width) * 2)
            let pairs = packed.bound(to: UInt32.self)
            nibble_pack_bf16_pairs(query, cache.head, width, pairs)
            let rows = cache.keys(UInt16.self, sequence: sequence, head: head)
            nibble_bf16_product(
                rows + keys.lowerBound * cache.head, cache.head, keys.count, cache.head / 2, pairs, width, s)
            softmax(s, inverse, level)
            nibble_pack_bf16_pairs(s, keys.count, width, pairs)
            let columns = cache.values(UInt16.self, sequence: sequence, head: head)
            nibble_bf16_product(
                columns + keys.lowerBound, cache.capacity, cache.head, keys.count / 2, pairs, width, result)
        } else {
            let rows = cache.keys(Float.self, sequence: sequence, head: head)
            product(rows + keys.lowerBound * cache.head, cache.head, keys.count, cache.head, query, s)
            softmax(s, inverse, level)
            let columns = cache.values(Float.self, sequence: sequence, head: head)
            product(columns + keys.lowerBound, cache.capacity, cache.head, keys.count, s, result)
        }
        nibble_scale_lanes(result, inverse, cache.head, width, level)
    }

    private func softmax(
        _ scores: UnsafeMutablePointer<Float>, _ inverse: UnsafeMutablePointer<Float>, _ level: Int32
    ) {
        nibble_attention_softmax(
            scores, keys.count, width, Int64(keys.lowerBound), Int64(firstQuery), Int64(window), inverse,
            level)
    }

    /// y `[rows][width]` = a `[rows][columns]` times x `[columns][width]`.
    private func product(
        _ a: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Int, _ x: UnsafePointer<Float>,
        _ y: UnsafeMutablePointer<Float>
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(width), blasint(columns), 1, a,
            blasint(stride), x, blasint(width), 0, y, blasint(width))
    }
}
