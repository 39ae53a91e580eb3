internal import CKernels
internal import CLibrary

extension Compute {
    /// Attention of one new token in each of several sequences, which lie side by side in one layout.
    ///
    /// - Parameters:
    ///   - query, key, value: as in ``attention(query:key:value:cache:first:start:window:)``; token i belongs to
    ///     sequence i of the cache.
    ///   - positions: where in its sequence each token is.
    public func stepAttention(
        query: Tensor, key: Tensor, value: Tensor, cache: KeyValueCache, positions: [Int], window: Int?
    ) -> Tensor {
        let layout = query.layout
        precondition(layout.sequences == 1 && layout.length == positions.count, "one lane a sequence")
        precondition(
            positions.count <= cache.sequences, "\(positions.count) sequences, \(cache.sequences) cached")
        precondition(positions.allSatisfy { 0 <= $0 && $0 < cache.capacity }, "position beyond the cache")
        check(query: query, key: key, value: value, cache: cache, window: window)
        let heads = query.features / cache.head
        let result = tensor(features: query.features, layout: layout)
        result.fill(0)
        workers.forEach(positions.count * cache.heads) { job in
            let (sequence, head) = (job / cache.heads, job % cache.heads)
            let (panel, lane) = layout.place(sequence: 0, position: sequence)
            let offset = head * cache.head * layout.width + lane
            cache.store(
                keys: key.panel(panel) + offset, values: value.panel(panel) + offset, width: layout.width,
                count: 1,
                sequence: sequence, head: head, position: positions[sequence], level: levelNumber)
        }
        workers.forEach(positions.count * heads) { job in
            let (sequence, head) = (job / heads, job % heads)
            let (panel, lane) = layout.place(sequence: 0, position: sequence)
            let offset = head * cache.head * layout.width + lane
            let step = AttentionStep(
                cache: cache, sequence: sequence, head: head * cache.heads / heads,
                position: positions[sequence],
                window: window)
            step.run(
                query: query.panel(panel) + offset, result: result.panel(panel) + offset, width: layout.width,
                compute: self)
        }
        return result
    }
}

/// One query against the keys of its sequence.
private struct AttentionStep {
    let cache: KeyValueCache
    let sequence: Int
    let head: Int
    let position: Int
    let window: Int?

    func run(query: UnsafePointer<Float>, result: UnsafeMutablePointer<Float>, width: Int, compute: Compute) {
        let keys = max(0, window.map { position - $0 + 1 } ?? 0)..<position + 1
        let buffer = compute.pool.take(bytes: (keys.count + 2 * cache.head) * 4)
        let scores = buffer.bound(to: Float.self)
        let (vector, sum) = (scores + keys.count, scores + keys.count + cache.head)
        for feature in 0..<cache.head { vector[feature] = query[feature * width] }
        let rows = cache.keys(sequence: sequence, head: head) + keys.lowerBound * cache.head
        let level = compute.levelNumber
        nibble_f32_vector_product(rows, cache.head, keys.count, cache.head, vector, scores, level)
        let inverse = Self.softmax(scores, keys.count)
        let columns = cache.values(sequence: sequence, head: head) + keys.lowerBound
        nibble_f32_vector_product(columns, cache.capacity, cache.head, keys.count, scores, sum, level)
        for feature in 0..<cache.head { result[feature * width] = sum[feature] * inverse }
    }

    /// exp(x - maximum) in place; returns the reciprocal of the sum.
    private static func softmax(_ x: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
        var maximum = -Float.infinity
        for index in 0..<count { maximum = max(maximum, x[index]) }
        var sum: Float = 0
        for index in 0..<count {
            x[index] = exp(x[index] - maximum)
            sum += x[index]
        }
        return 1 / sum
    }
}
