extension Compute {
    /// The loss of a student against a teacher, and its gradient.
    ///
    /// Logits of as many tokens as ``distillationBytes`` allows are held at a time, never all of them.
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
            weight: weight, gradients: gradients, holding: Self.distillationBytes)
    }

    /// The same with logits of `holding` bytes at a time, or one panel.
    package func distill(
        _ student: Tensor, head: Matrix, teacher: DistillationTarget, softcap: Float?,
        targets: [Int32], loss: DistillationLoss, weight: Float, gradients: Gradients, holding bytes: Int
    ) -> (result: DistillationLoss.Result, gradient: Tensor)? {
        precondition(
            student.layout.sequences == 1 && targets.count == student.layout.length,
            "states and targets of different tokens")
        check(teacher, layout: student.layout, vocabularySize: head.rows, loss)
        let gradient = tensor(features: student.features, layout: student.layout)
        var result = DistillationLoss.Result()
        result.tokens = targets.count
        let width = student.layout.width
        let step = max(1, bytes / (2 * LogitStore.bytes(width, head.rows)))
        for first in stride(from: 0, to: student.layout.panels, by: step) {
            let panels = first..<min(first + step, student.layout.panels)
            let tokens = panels.lowerBound * width..<min(panels.upperBound * width, targets.count)
            let slice = DistillationSlice(
                student: part(student, panels: panels, tokens: tokens.count), head: head,
                teacher: part(teacher, panels: panels, tokens: tokens), softcap: softcap,
                targets: Array(targets[tokens]), loss: loss, compute: self)
            guard
                slice.run(
                    share: 1 / Double(targets.count), weight: weight, into: &result,
                    gradient: gradient.panel(panels.lowerBound), gradients: gradients)
            else { return nil }
        }
        return (result, gradient)
    }

    private func check(
        _ teacher: DistillationTarget, layout: PanelLayout, vocabularySize: Int, _ loss: DistillationLoss
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
            precondition(loss.reverse == 0, "reverse divergence from a cached teacher")
        }
    }

    /// Bytes for logits that are held.
    static var distillationBytes: Int { 272 << 20 }

    /// Bytes that ``distill(_:head:teacher:softcap:targets:loss:weight:gradients:)`` takes at most for the logits of both
    /// models and the partial sums of their gradient.
    ///
    /// - Parameters:
    ///   - tokens: of a pass, 1 or more.
    ///   - features: of a state.
    public func distillationScratch(tokens: Int, vocabularySize: Int, features: Int) -> Int {
        precondition(tokens > 0, "\(tokens) tokens")
        let layout = layout(sequences: 1, length: tokens)
        let step = max(1, Self.distillationBytes / (2 * LogitStore.bytes(layout.width, vocabularySize)))
        let held = min(step, layout.panels) * layout.width
        return 2 * LogitStore.bytes(held, vocabularySize) + DistillationSlice.segments * held * features * 4
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
