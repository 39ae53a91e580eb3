extension Compute {
    /// The loss of a student against a teacher, and its gradient.
    ///
    /// Logits of as many tokens as ``distillationBytes`` allows are held at a time, never all of them; none where they
    /// are computed again.
    ///
    /// - Parameters:
    ///   - student: final states, the inputs of the vocabulary head, in a layout of one sequence.
    ///   - head: the student's, `[vocabulary, features]`; its gradient is added to `gradients` where it has a
    ///     parameter.
    ///   - teacher: for the same tokens. A cached one has no reverse divergence.
    ///   - targets: the next token of each.
    ///   - weight: what the gradient is multiplied by: the share of the batch in the step.
    /// - Returns: the result and the gradient of `student`; nil where a logit is NaN or infinite.
    public func distill(
        _ student: Tensor, head: Matrix, teacher: DistillationTarget, softcap: Float?,
        targets: [Int32], loss: DistillationLoss, weight: Float = 1, gradients: Gradients
    ) -> (result: DistillationLoss.Result, gradient: Tensor)? {
        distill(
            student, head: head, teacher: teacher, softcap: softcap, targets: targets, loss: loss,
            weight: weight, gradients: gradients, holding: heldBytes(isCached: teacher.isCached))
    }

    /// The same with logits of `holding` bytes at a time, or one panel; nil to compute them again.
    package func distill(
        _ student: Tensor, head: Matrix, teacher: DistillationTarget, softcap: Float?,
        targets: [Int32], loss: DistillationLoss, weight: Float, gradients: Gradients, holding bytes: Int?
    ) -> (result: DistillationLoss.Result, gradient: Tensor)? {
        precondition(
            student.layout.sequences == 1 && targets.count == student.layout.length,
            "states and targets of different tokens")
        check(teacher, layout: student.layout, vocabularySize: head.rows, loss, keepsLogits: bytes != nil)
        let gradient = tensor(features: student.features, layout: student.layout)
        var result = DistillationLoss.Result()
        result.tokens = targets.count
        let width = student.layout.width
        let step = heldPanels(bytes, width: width, vocabularySize: head.rows)
        for first in stride(from: 0, to: student.layout.panels, by: step) {
            let panels = first..<min(first + step, student.layout.panels)
            let tokens = panels.lowerBound * width..<min(panels.upperBound * width, targets.count)
            let slice = DistillationSlice(
                student: part(student, panels: panels, tokens: tokens.count), head: head,
                teacher: part(teacher, panels: panels, tokens: tokens), softcap: softcap,
                targets: Array(targets[tokens]), loss: loss,
                keptPanels: bytes.map { _ in min(step, student.layout.panels) }, compute: self)
            guard
                slice.run(
                    share: 1 / Double(targets.count), weight: weight, into: &result,
                    gradient: gradient.panel(panels.lowerBound), gradients: gradients)
            else { return nil }
        }
        return (result, gradient)
    }

    private func check(
        _ teacher: DistillationTarget, layout: PanelLayout, vocabularySize: Int, _ loss: DistillationLoss,
        keepsLogits: Bool
    ) {
        switch teacher {
        case .live(let states, let head):
            precondition(states.layout == layout, "states of different tokens")
            precondition(
                head.rows == vocabularySize, "vocabularies of \(vocabularySize) and \(head.rows) tokens")
        case .cached(let cached):
            precondition(
                cached.count == layout.length,
                "cached probabilities of \(cached.count) tokens for \(layout.length)")
            precondition(
                cached.ids.allSatisfy { $0 >= 0 && Int($0) < vocabularySize },
                "a cached token beyond a vocabulary of \(vocabularySize)")
            precondition(loss.reverseKL == 0, "reverse divergence from a cached teacher")
            precondition(keepsLogits, "the logits of a cached teacher's entries have to be held")
        }
    }

    /// Bytes for logits that are held.
    static var distillationBytes: Int { 272 << 20 }

    /// Panels whose logits are computed again with a slab of the head: more of them make it no cheaper.
    private static var panelsAtOnce: Int { 32 }

    private func heldBytes(isCached: Bool) -> Int? {
        hasTiles && !isCached ? nil : Self.distillationBytes
    }

    /// Panels at a time.
    private func heldPanels(_ bytes: Int?, width: Int, vocabularySize: Int) -> Int {
        bytes.map { max(1, $0 / (2 * LogitStore.bytes(width, vocabularySize))) } ?? Self.panelsAtOnce
    }

    /// Bytes that ``distill(_:head:teacher:softcap:targets:loss:weight:gradients:)`` takes at most for the logits of both
    /// models and the partial sums of their gradient.
    ///
    /// - Parameters:
    ///   - tokens: of a pass, 1 or more.
    ///   - features: of a state.
    ///   - isCached: whether the teacher is.
    public func distillationScratch(
        tokens: Int, vocabularySize: Int, features: Int, isCached: Bool
    ) -> Int {
        precondition(tokens > 0, "\(tokens) tokens")
        let layout = layout(sequences: 1, length: tokens)
        let bytes = heldBytes(isCached: isCached)
        let step = heldPanels(bytes, width: layout.width, vocabularySize: vocabularySize)
        let held = min(step, layout.panels) * layout.width
        let logits = bytes == nil ? 0 : 2 * LogitStore.bytes(held, vocabularySize)
        return logits + DistillationSlice.segments * held * features * 4
    }

    /// Some panels of a teacher, which are the tokens given.
    private func part(
        _ teacher: DistillationTarget, panels: Range<Int>, tokens: Range<Int>
    ) -> DistillationTarget {
        switch teacher {
        case .live(let states, let head):
            .live(states: part(states, panels: panels, tokens: tokens.count), head: head)
        case .cached(let cached): .cached(cached[tokens])
        }
    }

    /// Some panels of a tensor of one sequence.
    func part(_ x: Tensor, panels: Range<Int>, tokens: Int) -> Tensor {
        let layout = PanelLayout(width: x.layout.width, sequences: 1, length: tokens)
        let y = tensor(features: x.features, layout: layout)
        for panel in panels {
            y.panel(panel - panels.lowerBound).update(from: x.panel(panel), count: x.panelCount)
        }
        return y
    }
}
