internal import CKernels

/// Some tokens of a batch: their logits, the loss and its gradient.
struct DistillationSlice {
    private let student: Tensor
    private let head: Matrix
    private let teacher: DistillationTarget
    private let softcap: Float?
    private let targets: [Int32]
    private let loss: DistillationLoss
    /// Panels that logits are kept for; nil where they are computed again.
    private let keptPanels: Int?
    private let compute: Compute
    private var layout: PanelLayout { student.layout }

    init(
        student: Tensor, head: Matrix, teacher: DistillationTarget, softcap: Float?, targets: [Int32],
        loss: DistillationLoss, keptPanels: Int?, compute: Compute
    ) {
        self.keptPanels = keptPanels
        self.student = student
        self.head = head
        self.teacher = teacher
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
        let own = logits(student, head)
        switch teacher {
        case .live(let states, let teacherHead):
            let other = logits(states, teacherHead)
            guard
                let sums = VocabularySums([other.first, own.first], targets: targets, compute: compute)
            else { return false }
            let coefficients = compare(own, other, sums, share: share, weight: weight, into: &result)
            differentiate(own, other, nil, coefficients, gradient, gradients)
        case .cached(let cached):
            guard let sums = VocabularySums([own.first], targets: targets, compute: compute) else {
                return false
            }
            let (coefficients, entries) = compare(
                own, cached, sums, share: share, weight: weight, into: &result)
            differentiate(own, nil, entries, coefficients, gradient, gradients)
        }
        return true
    }

    // MARK: - Loss

    private func compare(
        _ own: DistillationLogits, _ other: DistillationLogits, _ sums: VocabularySums, share: Double,
        weight: Float,
        into result: inout DistillationLoss.Result
    ) -> DistillationCoefficients {
        var coefficients = DistillationCoefficients(layout: layout)
        let reverseSums =
            loss.reverseKL > 0
            ? VocabularySums([own.again(), other.again()], targets: targets, compute: compute)
            : nil
        let plainSums = plainSums(own)
        for token in targets.indices {
            let divergence = sums.divergence(source: 1, token: token)
            let clip = add(
                token, forward: divergence, reverse: reverseSums?.divergence(source: 1, token: token) ?? 0,
                plain: plainSums, negativeLogLikelihood: sums.negativeLogLikelihood(source: 1, token: token),
                share: share, to: &result)
            coefficients.set(
                token, loss, scale: Float(share * clip) * weight, sums: sums, reverse: reverseSums,
                plain: plainSums)
        }
        return coefficients
    }

    private func compare(
        _ own: DistillationLogits, _ cached: TeacherProbabilities, _ sums: VocabularySums, share: Double,
        weight: Float, into result: inout DistillationLoss.Result
    ) -> (DistillationCoefficients, CachedEntries) {
        var coefficients = DistillationCoefficients(layout: layout)
        let plainSums = plainSums(own)
        var buckets: [BucketDivergence] = []
        var logits: [Float] = []
        for token in targets.indices {
            let entries = token * cached.top..<(token + 1) * cached.top
            let mine = own.kept(token: token, ids: cached.ids[entries])
            logits += mine
            let logSum = sums.logSum(source: 0, token: token)
            let bucket = BucketDivergence(
                probabilities: cached.probabilities[entries], tail: cached.tails[token], logits: mine,
                logSum: logSum)
            buckets.append(bucket)
            let clip = add(
                token, forward: bucket.value, reverse: 0, plain: plainSums,
                negativeLogLikelihood: sums.negativeLogLikelihood(source: 0, token: token), share: share,
                to: &result)
            coefficients.set(
                token, loss, scale: Float(share * clip) * weight, bucket: bucket, logSum: logSum,
                plain: plainSums)
        }
        let entries = CachedEntries(cached, vocabularySize: head.rows, height: Self.height) { token, entry in
            coefficients.gradient(
                token, loss, logit: logits[token * cached.top + entry],
                probability: cached.probabilities[token * cached.top + entry], bucket: buckets[token])
        }
        return (coefficients, entries)
    }

    private func plainSums(_ own: DistillationLogits) -> VocabularySums? {
        guard loss.crossEntropy > 0 else { return nil }
        return VocabularySums(
            [own.again(times: loss.temperature)], targets: targets, compute: compute)
    }

    /// Adds a token to the result; returns what its gradient is scaled down by.
    private func add(
        _ token: Int, forward: Double, reverse: Double, plain: VocabularySums?, negativeLogLikelihood: Double,
        share: Double, to result: inout DistillationLoss.Result
    ) -> Double {
        let value = loss.value(
            forward: forward, reverse: reverse,
            crossEntropy: plain?.negativeLogLikelihood(source: 0, token: token) ?? 0)
        let clip = loss.tokenClip.map { value > Double($0) ? Double($0) / value : 1 } ?? 1
        result.loss += share * value * clip
        result.divergence += share * forward
        result.negativeLogLikelihood += share * negativeLogLikelihood
        result.negativeLogLikelihoods.append(Float(negativeLogLikelihood))
        if clip < 1 { result.clipped += 1 }
        return clip
    }

    private func logits(_ states: Tensor, _ head: Matrix) -> DistillationLogits {
        DistillationLogits(
            VocabularyHead(states, weight: head, softcap: softcap, compute: compute),
            temperature: loss.temperature, keptPanels: keptPanels, compute: compute)
    }

    // MARK: - Gradient

    /// Parts of the vocabulary, whatever the number of threads, whose gradients are added in order.
    static let segments = 16
    /// Rows of the vocabulary at a time: as many as ``WeightSlab`` decodes.
    private static let height = WeightSlab.height

    private func differentiate(
        _ own: DistillationLogits, _ other: DistillationLogits?, _ entries: CachedEntries?,
        _ coefficients: DistillationCoefficients, _ gradient: UnsafeMutablePointer<Float>,
        _ gradients: Gradients
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
                let g = logitGradient(slab, rows, own, other, entries, coefficients)
                let weights = HeadRowsCache(head, rows, compute: compute)
                for (index, panel) in panels.enumerated() {
                    panel.add(g.panel(index), rows: rows.count, weights: weights)
                }
                guard let target, let columns else { continue }
                let serial = TokenRows(g, compute: compute)
                columns.multiply(
                    serial, rows: 0..<rows.count, groups: 0..<columns.groups,
                    into: target.values + rows.lowerBound * student.features,
                    accumulates: target.accumulates)
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
        _ slab: Int, _ rows: Range<Int>, _ own: DistillationLogits, _ other: DistillationLogits?,
        _ entries: CachedEntries?,
        _ coefficients: DistillationCoefficients
    ) -> Tensor {
        let g = compute.tensor(features: rows.count, layout: layout)
        let (width, level) = (layout.width, compute.levelNumber)
        let (student, teacher) = (own.rows(rows), other?.rows(rows))
        for panel in 0..<layout.panels {
            let logits = student(panel)
            coefficients.withPanel(panel, loss) {
                nibble_distillation_gradient(
                    logits, teacher?(panel), rows.count, width, $0, g.panel(panel), level)
            }
            let tokens = panel * width..<min((panel + 1) * width, targets.count)
            entries?.set(slab: slab, rows: rows, tokens: tokens, width: width, in: g.panel(panel))
            for lane in 0..<tokens.count where loss.crossEntropy > 0 {
                let target = Int(targets[panel * width + lane])
                guard rows.contains(target) else { continue }
                g.panel(panel)[(target - rows.lowerBound) * width + lane] -=
                    coefficients.plain(panel * width + lane)
            }
            if let softcap {
                // Logits are stored divided by the temperature.
                nibble_softcap_backward(
                    logits, g.panel(panel), rows.count * width, softcap / loss.temperature, level)
            }
        }
        // The pointers do not keep what they point into.
        withExtendedLifetime((student, teacher)) {}
        return g
    }
}

extension DistillationLoss {
    /// A token's loss from its parts.
    func value(forward: Double, reverse: Double, crossEntropy: Double) -> Double {
        let (c, r, t) = (Double(self.crossEntropy), Double(self.reverseKL), Double(temperature))
        return (1 - c) * t * t * ((1 - r) * forward + r * reverse) + c * crossEntropy
    }
}
