internal import CKernels

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What turns the logits of each token into their gradient; zero for padding.
struct DistillationCoefficients {
    private var studentLogSum: [Float]
    private var teacherLogSum: [Float]
    private var plainLogSum: [Float]
    private var student: [Float]
    /// Weight of the divergences.
    private var distilled: [Float]
    private var reverse: [Float]
    private var reverseMean: [Float]
    /// Weight of the cross-entropy.
    private(set) var plain: [Float]
    private let width: Int

    init(layout: PanelLayout) {
        let zeros = [Float](repeating: 0, count: layout.panels * layout.width)
        (studentLogSum, teacherLogSum, plainLogSum) = (zeros, zeros, zeros)
        (student, distilled, reverse, reverseMean, plain) = (zeros, zeros, zeros, zeros, zeros)
        width = layout.width
    }

    /// Sets those of a token: `scale` times the derivatives of ``DistillationLoss``. The derivative of a softmax at the
    /// temperature T brings a factor 1 / T.
    mutating func set(
        _ token: Int, _ loss: DistillationLoss, scale: Float, sums: VocabularySums, reverse: VocabularySums?,
        plain: VocabularySums?
    ) {
        let distilled = scale * (1 - loss.crossEntropy) * loss.temperature
        studentLogSum[token] = Float(sums.logSum(source: 1, token: token))
        teacherLogSum[token] = Float(sums.logSum(source: 0, token: token))
        student[token] = distilled * (1 - loss.reverse)
        self.distilled[token] = distilled
        if let reverse {
            self.reverse[token] = distilled * loss.reverse
            reverseMean[token] = Float(reverse.divergence(source: 1, token: token))
        }
        if let plain {
            self.plain[token] = scale * loss.crossEntropy
            plainLogSum[token] = Float(plain.logSum(source: 0, token: token))
        }
    }

    /// Gradients of a logit that are too small to count, of each token: ``DistillationLoss/negligible`` of its weight.
    /// Padding has no gradient that counts.
    func thresholds(_ loss: DistillationLoss) -> [Float] {
        zip(distilled, plain).map { distilled, plain in
            let weight = distilled + plain
            return weight > 0 ? loss.negligible * weight : .infinity
        }
    }

    /// Sets those of a token whose teacher is cached: `bucket` says how it compares.
    mutating func set(
        _ token: Int, _ loss: DistillationLoss, scale: Float, bucket: BucketDivergence, logSum: Double,
        plain: VocabularySums?
    ) {
        let distilled = scale * (1 - loss.crossEntropy) * loss.temperature
        studentLogSum[token] = Float(logSum)
        student[token] = distilled * Float(bucket.outerWeight)
        self.distilled[token] = distilled
        if let plain {
            self.plain[token] = scale * loss.crossEntropy
            plainLogSum[token] = Float(plain.logSum(source: 0, token: token))
        }
    }

    /// The gradient of the logit of one of the teacher's entries, but for what the target adds.
    func gradient(
        _ token: Int, _ loss: DistillationLoss, logit: Float, probability: Float, bucket: BucketDivergence
    ) -> Float {
        let own = exp(logit - studentLogSum[token])
        var value = distilled[token] * (Float(bucket.innerWeight) * own - probability)
        if plain[token] > 0 { value += plain[token] * exp(logit * loss.temperature - plainLogSum[token]) }
        return value
    }

    /// Calls `body` with those of a panel.
    func withPanel(
        _ panel: Int, _ loss: DistillationLoss, _ body: (UnsafePointer<nibble_distillation>) -> Void
    ) {
        let first = panel * width
        student.withUnsafeBufferPointer { student in
            plain.withUnsafeBufferPointer { plain in
                reverse.withUnsafeBufferPointer { reverse in
                    withSums { studentSum, teacherSum, plainSum, mean in
                        guard let own = student.baseAddress, let ce = plain.baseAddress,
                            let back = reverse.baseAddress
                        else { return }
                        var panel = nibble_distillation(
                            student_log_sum: studentSum + first, teacher_log_sum: teacherSum + first,
                            plain_log_sum: plainSum + first, student: own + first, teacher: own + first,
                            plain: ce + first, reverse: back + first, reverse_mean: mean + first,
                            temperature: loss.temperature,
                            log_negligible: log(loss.negligible), has_plain: loss.crossEntropy > 0 ? 1 : 0,
                            has_reverse: loss.reverse > 0 ? 1 : 0)
                        body(&panel)
                    }
                }
            }
        }
    }

    private typealias Floats = UnsafePointer<Float>

    private func withSums(_ body: (Floats, Floats, Floats, Floats) -> Void) {
        studentLogSum.withUnsafeBufferPointer { student in
            teacherLogSum.withUnsafeBufferPointer { teacher in
                plainLogSum.withUnsafeBufferPointer { plain in
                    reverseMean.withUnsafeBufferPointer { mean in
                        guard let a = student.baseAddress, let b = teacher.baseAddress,
                            let c = plain.baseAddress, let d = mean.baseAddress
                        else { return }
                        body(a, b, c, d)
                    }
                }
            }
        }
    }
}
