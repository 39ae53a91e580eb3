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
    private var reverse: [Float]
    private var reverseMean: [Float]
    /// Weight of the cross-entropy.
    private(set) var plain: [Float]
    private let width: Int

    init(layout: PanelLayout) {
        let zeros = [Float](repeating: 0, count: layout.panels * layout.width)
        (studentLogSum, teacherLogSum, plainLogSum) = (zeros, zeros, zeros)
        (student, reverse, reverseMean, plain) = (zeros, zeros, zeros, zeros)
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
        zip(zip(student, reverse), plain).map { parts, plain in
            let weight = parts.0 + parts.1 + plain
            return weight > 0 ? loss.negligible * weight : .infinity
        }
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
