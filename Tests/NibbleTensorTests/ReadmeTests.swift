import Foundation
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("The README's model of two parameters")
struct ReadmeTests {
    /// The README's code, whose lines are collected instead of printed.
    private func run() -> String {
        var output = ""
        func print(_ step: Int, _ loss: Double, _ values: [Float]) { output += "\(step) \(loss) \(values)\n" }
        // README begins
        let compute = Compute(threads: 1, precision: .f32)
        let line = Variable("line", rows: 1, columns: 2)  // slope and intercept, 0 at first
        let x = compute.tensor([[-1, 1], [0, 1], [1, 1], [2, 1]])  // four tokens of two features
        let target = compute.tensor([[-3], [-1], [1], [3]])  // 2 x - 1
        let gradients = Gradients(compute: compute)
        for step in 1...300 {
            let tape = Tape(compute)
            let y = compute.linear(compute.operand(x, for: line.matrix), line.matrix, tape: tape)
            let (loss, gradient) = compute.meanSquaredError(y, target)
            gradients.reset()
            tape.backpropagate([(y, gradient)], into: gradients)
            line.update(
                gradients,
                by: AdamWStep(rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, step: step))
            guard [1, 10, 100, 300].contains(step) else { continue }
            print(step, (1e4 * loss).rounded() / 1e4, line.values.map { (1e3 * $0).rounded() / 1e3 })
        }
        // README ends
        return output
    }

    /// What stands in the README between two fences, the last that begins with `start`.
    private func block(_ language: String, _ start: String) throws -> String {
        let readme = String(decoding: try contents(Fixtures.folder + "/../../README.md"), as: UTF8.self)
        let begin = try #require(readme.range(of: "```\(language)\n\(start)", options: .backwards))
        let end = try #require(readme.range(of: "```\n", range: begin.upperBound..<readme.endIndex))
        return start + readme[begin.upperBound..<end.lowerBound]
    }

    @Test("learns the line, and prints just these numbers")
    func numbers() throws {
        #expect(try run() == block("console", "1 "))
    }

    @Test("is the code of this test")
    func code() throws {
        let source = String(decoding: try contents(#filePath), as: UTF8.self)
        let begin = try #require(source.range(of: "        // README begins\n"))
        let end = try #require(source.range(of: "        // README ends\n"))
        let lines = source[begin.upperBound..<end.lowerBound].split(
            separator: "\n", omittingEmptySubsequences: false
        ).map { $0.hasPrefix("        ") ? String($0.dropFirst(8)) : String($0) }
        let readme = try block("swift", "import Nibble\n\nlet compute")
        #expect("import Nibble\n\n" + lines.joined(separator: "\n") == readme)
    }
}
