import CKernels
import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("The kernel of distillation's gradient")
struct DistillationKernelTests {
    /// Which terms of the gradient there are.
    struct Terms: Sendable, CustomTestStringConvertible {
        var teacher = true
        var plain = false
        var reverse = false

        var testDescription: String { "teacher \(teacher), plain \(plain), reverse \(reverse)" }

        static let all = [
            Terms(), Terms(plain: true), Terms(reverse: true), Terms(plain: true, reverse: true),
            Terms(teacher: false), Terms(teacher: false, plain: true),
            // Without a teacher there is no reverse divergence.
            Terms(teacher: false, plain: true, reverse: true),
        ]
    }

    @Test("has every term of its formula", arguments: KernelLevel.available, Terms.all)
    func terms(level: KernelLevel, terms: Terms) {
        var comparison = Comparison()
        for (tokens, width) in [(3, 16), (48, 32), (101, 48)] {
            for temperature: Float in [1, 2.5] {
                let sample = Sample(tokens: tokens, width: width, temperature: temperature)
                sample.compare(sample.run(level, terms), terms, into: &comparison)
            }
        }
        comparison.check()
    }

    /// Logits of student and teacher, and coefficients, a lane each.
    private struct Sample {
        let tokens: Int
        let width: Int
        let temperature: Float
        var student: [Float]
        let teacher: [Float]
        /// In the order of `nibble_distillation`, each of `width`.
        let coefficients: [[Float]]

        init(tokens: Int, width: Int, temperature: Float) {
            var random = SeededGenerator(seed: UInt64(tokens))
            (self.tokens, self.width, self.temperature) = (tokens, width, temperature)
            student = random.normal(tokens * width, scale: 6)
            teacher = random.normal(tokens * width, scale: 6)
            // A token that the student finds impossible, and one that is e^-100 of the others.
            student[width + 3] = -.infinity
            student[2 * width + 4] = -150
            func sums(_ logits: [Float], _ factor: Float = 1) -> [Float] {
                (0..<width).map { lane in
                    Float(Reference.logSum((0..<tokens).map { logits[$0 * width + lane] * factor }))
                }
            }
            coefficients =
                [sums(student), sums(teacher), sums(student, temperature)]
                + (0..<5).map { _ in random.normal(width) }
        }

        func run(_ level: KernelLevel, _ terms: Terms) -> [Float] {
            var g = [Float](repeating: .nan, count: student.count)
            let flat = Array(coefficients.joined())
            flat.withUnsafeBufferPointer { flat in
                teacher.withUnsafeBufferPointer { teacher in
                    guard let start = flat.baseAddress else { return }
                    var coefficients = nibble_distillation(
                        student_log_sum: start, teacher_log_sum: start + width,
                        plain_log_sum: start + 2 * width, student: start + 3 * width,
                        teacher: start + 4 * width, plain: start + 5 * width, reverse: start + 6 * width,
                        reverse_mean: start + 7 * width, temperature: temperature,
                        log_negligible: -.infinity,
                        has_plain: terms.plain ? 1 : 0, has_reverse: terms.reverse ? 1 : 0)
                    nibble_distillation_gradient(
                        student, terms.teacher ? teacher.baseAddress : nil, tokens, width, &coefficients, &g,
                        level.number)
                }
            }
            return g
        }

        func compare(_ g: [Float], _ terms: Terms, into comparison: inout Comparison) {
            for lane in 0..<width {
                let c = coefficients.map { Double($0[lane]) }
                for token in 0..<tokens {
                    let index = token * width + lane
                    let (s, t) = (Double(student[index]), Double(teacher[index]))
                    let (logP, logQ) = (s - c[0], t - c[1])
                    let (p, q) = (exp(logP), exp(logQ))
                    // Of an exponential of a rounded difference; probabilities below exp(-87) are 0.
                    func error(_ x: Double, _ y: Double) -> Double {
                        x * (Bound.exponential + abs(max(y, -100)) * 2 * Bound.rounding) + 0x1p-125
                    }
                    var (value, bound) = (c[3] * p, abs(c[3]) * error(p, logP))
                    var magnitude = abs(value)
                    func add(_ term: Double, _ error: Double) {
                        value += term
                        magnitude += abs(term)
                        bound += error
                    }
                    if terms.teacher {
                        add(-c[4] * q, abs(c[4]) * error(q, logQ))
                        if terms.reverse, p > 0 {
                            let size = abs(logP) + abs(logQ) + abs(c[7])
                            let difference = logP - logQ - c[7]
                            add(
                                c[6] * p * difference,
                                abs(c[6])
                                    * (error(p, logP) * abs(difference) + p * 4 * Bound.rounding * size))
                        }
                    }
                    if terms.plain {
                        let exponent = s * Double(temperature) - c[2]
                        let rounded = abs(max(s, -150)) * Double(temperature) * Bound.rounding
                        add(
                            c[5] * exp(exponent),
                            abs(c[5]) * (error(exp(exponent), exponent) + exp(exponent) * rounded))
                    }
                    comparison.add(
                        g[index], value, bound: bound + 8 * Bound.rounding * magnitude,
                        "\(tokens) tokens, token \(token), lane \(lane)")
                }
            }
        }
    }
}
