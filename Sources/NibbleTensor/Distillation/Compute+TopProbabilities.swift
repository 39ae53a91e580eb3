internal import CLibrary

extension Compute {
    /// The largest probabilities of a model for some tokens.
    ///
    /// Probabilities are the softmax of the logits divided by `temperature`; the tail is 1 minus the sum of those
    /// returned, in Double, hence good to 1e-6 or so, and 0 where rounding would make it negative. The same for any
    /// number of threads.
    ///
    /// - Parameters:
    ///   - states: final states in a layout of one sequence.
    ///   - head: `[vocabulary, features]`.
    ///   - softcap: c of c · tanh(logit / c); nil for none.
    ///   - top: entries of a token, 1 to the vocabulary's size.
    /// - Returns: nil where a logit is NaN or infinite.
    /// - Complexity: as the head's product, and `O(vocabulary)` comparisons a token.
    public func topProbabilities(
        _ states: Tensor, head: Matrix, softcap: Float?, temperature: Float, top: Int
    ) -> TeacherProbabilities? {
        precondition((1...head.rows).contains(top), "\(top) entries of a vocabulary of \(head.rows)")
        precondition(states.layout.sequences == 1, "\(states.layout.sequences) sequences, expected one")
        let width = states.layout.width
        let step = max(1, Self.distillationBytes / LogitStore.bytes(width, head.rows))
        var result = TeacherProbabilities(top: top)
        for first in stride(from: 0, to: states.layout.panels, by: step) {
            let panels = first..<min(first + step, states.layout.panels)
            let count = min(panels.upperBound * width, states.layout.length) - panels.lowerBound * width
            let part = part(states, panels: panels, tokens: count)
            let store = LogitStore(
                layout: part.layout, vocabularySize: head.rows, panels: part.layout.panels, pool: pool)
            let source = DividedLogits(
                source: VocabularyHead(part, weight: head, softcap: softcap, compute: self),
                temperature: temperature, store: store)
            let targets = [Int32](repeating: 0, count: count)
            guard let sums = VocabularySums([source], targets: targets, compute: self) else { return nil }
            guard let found = self.top(top, of: store, sums, count: count) else { return nil }
            result.append(found)
        }
        return result
    }

    private func top(
        _ top: Int, of store: LogitStore, _ sums: VocabularySums, count: Int
    ) -> TeacherProbabilities? {
        let width = store.layout.width
        var heaps = (0..<count).map { _ in TopHeap(capacity: top) }
        heaps.withUnsafeMutableBufferPointer { heaps in
            // Panels are disjoint.
            nonisolated(unsafe) let heaps = heaps
            workers.forEach(store.layout.panels) { panel in
                let first = panel * width
                TopHeap.fill(
                    UnsafeMutableBufferPointer(rebasing: heaps[first..<min(first + width, count)]),
                    store.logits(panel: panel, row: 0), rows: store.vocabularySize, width: width)
            }
        }
        var (ids, probabilities, tails) = ([Int32](), [Float](), [Float]())
        for (token, heap) in heaps.enumerated() {
            let logSum = sums.logSum(source: 0, token: token)
            let entries = heap.sorted
            // Logits of -infinity are not taken.
            guard entries.count == top else { return nil }
            let exact = entries.map { exp(Double($0.logit) - logSum) }
            ids += entries.map(\.row)
            probabilities += exact.map { Float($0) }
            tails.append(Float(max(0, 1 - exact.reduce(0, +))))
        }
        return TeacherProbabilities(top: top, ids: ids, probabilities: probabilities, tails: tails)
    }
}
