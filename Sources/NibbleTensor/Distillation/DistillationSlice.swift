internal import CKernels

/// Some tokens of a batch: their logits, the loss and its gradient.
struct DistillationSlice {
    private let student: Tensor
    private let head: Matrix
    private let teacher: Tensor
    private let teacherHead: Matrix
    private let softcap: Float?
    private let targets: [Int32]
    private let loss: DistillationLoss
    private let compute: Compute
    private var layout: PanelLayout { student.layout }

    init(
        student: Tensor, head: Matrix, teacher: Tensor, teacherHead: Matrix, softcap: Float?,
        targets: [Int32],
        loss: DistillationLoss, compute: Compute
    ) {
        self.student = student
        self.head = head
        self.teacher = teacher
        self.teacherHead = teacherHead
        self.softcap = softcap
        self.targets = targets
        self.loss = loss
        self.compute = compute
    }

    /// Adds the loss of these tokens, each worth `share`, to `result`, and sets their gradients; false where a logit
    /// is NaN or infinite.
    func run(
        share: Double, weight: Float, into result: inout DistillationLoss.Result,
        gradient: UnsafeMutablePointer<Float>, gradients: Gradients
    ) -> Bool {
        let (own, other) = (store(), store())
        let sources = [
            recorded(teacher, teacherHead, other), recorded(student, head, own),
        ]
        guard let sums = VocabularySums(sources, targets: targets, compute: compute) else { return false }
        var coefficients = DistillationCoefficients(layout: layout)
        let reverseSums =
            loss.reverse > 0
            ? VocabularySums(
                [StoredSource(store: own), StoredSource(store: other)], targets: targets, compute: compute)
            : nil
        let plainSums =
            loss.crossEntropy > 0
            ? VocabularySums(
                [StoredSource(store: own, factor: loss.temperature)], targets: targets, compute: compute)
            : nil
        for token in targets.indices {
            let divergence = sums.divergence(source: 1, token: token)
            let value = loss.value(
                forward: divergence, reverse: reverseSums?.divergence(source: 1, token: token) ?? 0,
                crossEntropy: plainSums?.negativeLogLikelihood(source: 0, token: token) ?? 0)
            let clip = loss.tokenClip.map { value > Double($0) ? Double($0) / value : 1 } ?? 1
            result.loss += share * value * clip
            result.divergence += share * divergence
            result.negativeLogLikelihood += share * sums.negativeLogLikelihood(source: 1, token: token)
            if clip < 1 { result.clipped += 1 }
            coefficients.set(
                token, loss, scale: Float(share * clip) * weight, sums: sums, reverse: reverseSums,
                plain: plainSums)
        }
        differentiate(own, other, coefficients, gradient, gradients)
        return true
    }

    private func store() -> LogitStore {
        LogitStore(
            layout: layout, vocabularySize: head.rows, temperature: loss.temperature, pool: compute.pool)
    }

    private func recorded(_ states: Tensor, _ head: Matrix, _ store: LogitStore) -> RecordedSource {
        RecordedSource(
            source: VocabularyHead(states, weight: head, softcap: softcap, compute: compute), store: store,
            level: compute.levelNumber)
    }

    // MARK: - Gradient

    /// Parts of the vocabulary, whatever the number of threads, whose gradients are added in order.
    static let segments = 16
    /// Rows of the vocabulary at a time: as many as ``WeightSlab`` decodes.
    private static let height = 48

    private func differentiate(
        _ own: LogitStore, _ other: LogitStore, _ coefficients: DistillationCoefficients,
        _ gradient: UnsafeMutablePointer<Float>, _ gradients: Gradients
    ) {
        let size = student.panelCount * layout.panels
        let partial = compute.pool.take(bytes: Self.segments * size * 4)
        let slabs = (head.rows + Self.height - 1) / Self.height
        let target = head.parameter.map { gradients.target($0) }
        let columns = target.map { _ in TokenColumns(student, compute: compute) }
        let thresholds = coefficients.thresholds(loss)
        compute.workers.forEach(Self.segments) { segment in
            let sum = partial.bound(to: Float.self) + segment * size
            sum.update(repeating: 0, count: size)
            let panels = (0..<layout.panels).map { panel in
                VocabularyGradient(
                    head: head, width: layout.width,
                    thresholds: thresholds[panel * layout.width..<(panel + 1) * layout.width],
                    target: sum + panel * student.panelCount, rowsAtATime: Self.height, compute: compute)
            }
            let range = slabs * segment / Self.segments..<slabs * (segment + 1) / Self.segments
            for slab in range {
                let rows = slab * Self.height..<min((slab + 1) * Self.height, head.rows)
                let g = logitGradient(rows, own, other, coefficients)
                let weights = HeadRowsCache(head, rows, compute: compute)
                for (index, panel) in panels.enumerated() {
                    panel.add(g.panel(index), rows: rows.count, weights: weights)
                }
                guard let target, let columns else { continue }
                let serial = TokenRows(g, compute: compute)
                for group in 0..<columns.groups {
                    columns.multiply(
                        serial, rows: 0..<rows.count, group: group,
                        into: target.values + rows.lowerBound * student.features,
                        accumulates: target.accumulates)
                }
            }
            for panel in panels { panel.flush() }
        }
        compute.workers.forEach(layout.panels) { panel in
            let result = gradient + panel * student.panelCount
            let parts = partial.bound(to: Float.self) + panel * student.panelCount
            result.update(from: parts, count: student.panelCount)
            for segment in 1..<Self.segments {
                nibble_add(result, parts + segment * size, student.panelCount, compute.levelNumber)
            }
        }
    }

    /// Gradients of the logits of some rows of the vocabulary.
    private func logitGradient(
        _ rows: Range<Int>, _ own: LogitStore, _ other: LogitStore, _ coefficients: DistillationCoefficients
    ) -> Tensor {
        let g = compute.tensor(features: rows.count, layout: layout)
        let (width, level) = (layout.width, compute.levelNumber)
        for panel in 0..<layout.panels {
            let logits = own.logits(panel: panel, row: rows.lowerBound)
            coefficients.withPanel(panel, loss) {
                nibble_distillation_gradient(
                    logits, other.logits(panel: panel, row: rows.lowerBound), rows.count, width, $0,
                    g.panel(panel), level)
            }
            for lane in 0..<min(width, targets.count - panel * width) where loss.crossEntropy > 0 {
                let target = Int(targets[panel * width + lane])
                guard rows.contains(target) else { continue }
                g.panel(panel)[(target - rows.lowerBound) * width + lane] -=
                    coefficients.plain[panel * width + lane]
            }
            if let softcap {
                // Logits are stored divided by the temperature.
                nibble_softcap_backward(
                    logits, g.panel(panel), rows.count * width, softcap / loss.temperature, level)
            }
        }
        return g
    }
}

extension DistillationLoss {
    /// A token's loss from its parts.
    func value(forward: Double, reverse: Double, crossEntropy: Double) -> Double {
        let (c, r, t) = (Double(self.crossEntropy), Double(self.reverse), Double(temperature))
        return (1 - c) * t * t * ((1 - r) * forward + r * reverse) + c * crossEntropy
    }
}
