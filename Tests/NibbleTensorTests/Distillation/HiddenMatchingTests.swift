import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("The distance of hidden states")
struct HiddenMatchingTests {
    private static func reference(_ student: [[[Double]]], _ teacher: [[[Double]]], epsilon: Double) -> Double
    {
        var sum = 0.0
        for (s, t) in zip(student.joined(), teacher.joined()) {
            let count = Double(s.count)
            let difference = zip(s, t).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / count
            sum += difference / (t.reduce(0.0) { $0 + $1 * $1 } / count + epsilon)
        }
        return sum
    }

    @Test("has the gradient of central differences in Double, zero in padding", arguments: [1, 3])
    func gradient(threads: Int) throws {
        let compute = Compute(threads: threads, precision: .f32)
        var s = randomBatch(sequences: 2, length: 21, features: 12, seed: 4)
        var t = randomBatch(sequences: 2, length: 21, features: 12, seed: 5)
        // Nothing to compare with, and a stream that is far larger.
        t[0][3] = Array(repeating: 0, count: 12)
        t[1][4] = t[1][4].map { $0 * 1000 }
        s[1][4] = s[1][4].map { $0 * 1000 }
        let epsilon: Float = 0.01
        let gradient = compute.tensor(t)
        let sum = compute.matchHidden(compute.tensor(s), to: gradient, epsilon: epsilon, weight: 0.25)
        var student = s.map { $0.map { $0.map(Double.init) } }
        let teacher = t.map { $0.map { $0.map(Double.init) } }
        func value() -> Double { Self.reference(student, teacher, epsilon: Double(epsilon)) }
        #expect(abs(sum - value()) <= 1e-6 * value())
        let found = gradient.batch
        for (sequence, position, feature) in [(0, 0, 0), (0, 3, 5), (1, 4, 11), (1, 20, 2), (0, 20, 7)] {
            // The distance is quadratic: differences are exact but for roundings.
            let step = 1e-3 * max(1, abs(student[sequence][position][feature]))
            student[sequence][position][feature] += step
            let up = value()
            student[sequence][position][feature] -= 2 * step
            let down = value()
            student[sequence][position][feature] += step
            let expected = 0.25 * (up - down) / (2 * step)
            let difference = abs(Double(found[sequence][position][feature]) - expected)
            #expect(difference <= 1e-5 * max(abs(expected), 1e-3), "\(sequence) \(position) \(difference)")
        }
        for panel in 0..<gradient.layout.panels {
            let width = gradient.layout.width
            for feature in 0..<12 {
                for lane in 21..<width { #expect(gradient.panel(panel)[feature * width + lane] == 0) }
            }
        }
    }
}
