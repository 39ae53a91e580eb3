internal import CKernels
internal import CLibrary

/// What turns the logits of each token into their gradient; zero for padding.
struct DistillationCoefficients {
    private enum Row: Int, CaseIterable {
        case studentLogSum, teacherLogSum, plainLogSum, student, reverse, reverseMean, plain
        /// Weight of the divergences; only read here.
        case distilled
    }

    /// `[row][lane of all panels]`
    private var values: [Float]
    private let lanes: Int
    private let width: Int

    init(layout: PanelLayout) {
        width = layout.width
        lanes = layout.panels * width
        values = [Float](repeating: 0, count: Row.allCases.count * lanes)
    }

    private subscript(row: Row, token: Int) -> Float {
        get { values[row.rawValue * lanes + token] }
        set { values[row.rawValue * lanes + token] = newValue }
    }

    /// Weight of a token's cross-entropy.
    func plain(_ token: Int) -> Float { self[.plain, token] }

    /// Sets those of a token: `scale` times the derivatives of ``DistillationLoss``. The derivative of a softmax at the
    /// temperature T brings a factor 1 / T.
    mutating func set(
        _ token: Int, _ loss: DistillationLoss, scale: Float, sums: VocabularySums, reverse: VocabularySums?,
        plain: VocabularySums?
    ) {
        let distilled = scale * (1 - loss.crossEntropy) * loss.temperature
        self[.studentLogSum, token] = Float(sums.logSum(source: 1, token: token))
        self[.teacherLogSum, token] = Float(sums.logSum(source: 0, token: token))
        self[.student, token] = distilled * (1 - loss.reverseKL)
        self[.distilled, token] = distilled
        if let reverse {
            self[.reverse, token] = distilled * loss.reverseKL
            self[.reverseMean, token] = Float(reverse.divergence(source: 1, token: token))
        }
        if let plain {
            self[.plain, token] = scale * loss.crossEntropy
            self[.plainLogSum, token] = Float(plain.logSum(source: 0, token: token))
        }
    }

    /// Gradients of a logit that are too small to count, of each token: ``DistillationLoss/negligible`` of its weight.
    /// Padding has no gradient that counts.
    func thresholds(_ loss: DistillationLoss) -> [Float] {
        (0..<lanes).map { token in
            let weight = self[.distilled, token] + plain(token)
            return weight > 0 ? loss.negligible * weight : .infinity
        }
    }

    /// Sets those of a token whose teacher is cached: `bucket` says how it compares.
    mutating func set(
        _ token: Int, _ loss: DistillationLoss, scale: Float, bucket: BucketDivergence, logSum: Double,
        plain: VocabularySums?
    ) {
        let distilled = scale * (1 - loss.crossEntropy) * loss.temperature
        self[.studentLogSum, token] = Float(logSum)
        self[.student, token] = distilled * Float(bucket.outerWeight)
        self[.distilled, token] = distilled
        if let plain {
            self[.plain, token] = scale * loss.crossEntropy
            self[.plainLogSum, token] = Float(plain.logSum(source: 0, token: token))
        }
    }

    /// The gradient of the logit of one of the teacher's entries, but for what the target adds.
    func gradient(
        _ token: Int, _ loss: DistillationLoss, logit: Float, probability: Float, bucket: BucketDivergence
    ) -> Float {
        let own = exp(logit - self[.studentLogSum, token])
        var value = self[.distilled, token] * (Float(bucket.innerWeight) * own - probability)
        if plain(token) > 0 {
            value += plain(token) * exp(logit * loss.temperature - self[.plainLogSum, token])
        }
        return value
    }

    /// Calls `body` with those of a panel.
    func withPanel(
        _ panel: Int, _ loss: DistillationLoss, _ body: (UnsafePointer<nibble_distillation>) -> Void
    ) {
        values.withUnsafeBufferPointer { values in
            guard let start = values.baseAddress else { return }
            func row(_ row: Row) -> UnsafePointer<Float> { start + row.rawValue * lanes + panel * width }
            var coefficients = nibble_distillation(
                student_log_sum: row(.studentLogSum), teacher_log_sum: row(.teacherLogSum),
                plain_log_sum: row(.plainLogSum), student: row(.student), teacher: row(.student),
                plain: row(.plain), reverse: row(.reverse), reverse_mean: row(.reverseMean),
                temperature: loss.temperature, log_negligible: log(loss.negligible),
                has_plain: loss.crossEntropy > 0 ? 1 : 0, has_reverse: loss.reverseKL > 0 ? 1 : 0)
            body(&coefficients)
        }
    }
}
