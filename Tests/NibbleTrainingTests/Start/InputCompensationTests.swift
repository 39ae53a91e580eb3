import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Compensation of what rounding loses before a matrix")
struct InputCompensationTests {
    private static let sequences = StartSample.sequences(4, length: 50, kinds: 280)

    @Test(
        "halves of blocks make the pass of the whole model",
        arguments: ["gemma3-text", "llama3", "qwen2", "qwen3"])
    func halves(model name: String) throws {
        let model = try LanguageModel(
            ModelCheckpoint(path: Fixtures.path("hub/\(name)")), compute: Compute(threads: 2, precision: .f32)
        )
        var inputs: [TensorRole: [Float]] = [:]
        let expected = try model.residual(
            [Self.sequences[0]],
            observe: { kind, layer, x in
                inputs[TensorRole(kind, layer: layer)] = x.column(sequence: 0, position: 31)
            })
        var stream = try model.embed(Self.sequences[0])
        var seen = 0
        for layer in 0..<model.configuration.layerCount {
            for group in InputGroup.allCases {
                for kind in group.kinds {
                    let x = model.input(of: kind, layer: layer, stream).column(sequence: 0, position: 31)
                    #expect(x == inputs[TensorRole(kind, layer: layer)], "\(kind) of block \(layer)")
                    seen += 1
                }
                if let half = group.lastOf { stream = model.advance(stream, through: half, of: layer) }
            }
        }
        #expect(seen == inputs.count && seen == 7 * model.configuration.layerCount)
        for position in [0, 1, 49] {
            let (own, whole) = (
                stream.column(sequence: 0, position: position),
                expected.column(sequence: 0, position: position)
            )
            #expect(own == whole)
        }
    }

    @Test("sums what the student's inputs lack, each token by its weight", arguments: [false, true])
    func losses(isWeighted: Bool) throws {
        let student = try StartSample.student()
        let teacher = try StartSample.teacher(student)
        let importance =
            isWeighted
            ? try TokenImportance(student, sequences: Self.sequences, atATime: 2, recomputes: false) : nil
        var streams = try PairedStreams(
            teacher: teacher, student: student.quantized, sequences: Self.sequences, compares: true)
        streams.advance(through: .attention, of: 0)
        streams.advance(through: .feedForward, of: 0)
        streams.advance(through: .attention, of: 1)
        let role = TensorRole(.feedForwardDown, layer: 1)
        let columns = try #require(student.matrices.first { $0.role == role }).columns
        var expected = [Double](repeating: 0, count: columns * columns)
        let rounded = try #require(streams.rounded)
        for (index, stream) in streams.exact.enumerated() {
            let x = teacher.input(of: role.kind, layer: 1, stream)
            let y = student.quantized.input(of: role.kind, layer: 1, rounded[index])
            for position in 0..<50 {
                let (a, b) = (
                    x.column(sequence: 0, position: position), y.column(sequence: 0, position: position)
                )
                let weight = importance?.weights[role]?[index * 50 + position] ?? 1
                for row in 0..<columns {
                    for column in 0..<columns {
                        expected[row * columns + column] += Double(weight * (a[row] - b[row]) * a[column])
                    }
                }
            }
        }
        let found = InputProducts(&streams, .feedForwardResult, layer: 1, importance: importance)
        let losses = try #require(found.losses[role])
        let size = expected.map(abs).max() ?? 0
        #expect(size > 0)
        let worst = (0..<columns * columns).map { abs(Double(losses.floats[$0]) - expected[$0]) }.max() ?? 1
        #expect(worst < 1e-4 * size, "\(worst) of \(size)")
    }

    @Test("adds the share of what is linear in the inputs", arguments: [Float(0.5), 1])
    func solution(share: Float) throws {
        let student = try StartSample.student()
        let matrix = student.matrices[0]
        let n = matrix.columns
        var generator = SeededGenerator(seed: 5)
        func values(_ count: Int) -> [Float] {
            (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
        }
        let (inputs, lost) = (values(3 * n * n), Memory(byteCount: n * n * 4))
        for (index, value) in values(n * n).enumerated() { lost.floats[index] = value }
        let products = Memory(byteCount: n * n * 4)
        for token in 0..<3 * n {
            for row in 0..<n {
                for column in 0..<n {
                    products.floats[row * n + column] += inputs[token * n + row] * inputs[token * n + column]
                }
            }
        }
        let weights = Array(matrix.values)
        let feedback = try ErrorFeedback(products, columns: n)
        feedback.compensate(3..<matrix.rows, of: matrix, lost: lost, share: share)
        let mean = (0..<n).reduce(Float(0)) { $0 + products.floats[$1 * n + $1] } / Float(n)
        #expect(matrix.values[..<(3 * n)].elementsEqual(weights[..<(3 * n)]))
        for row in [3, 4, matrix.rows - 1] {
            let change = (0..<n).map { Double(matrix.values[row * n + $0] - weights[row * n + $0]) }
            for column in 0..<n {
                // (W' - W) (A + d) = share W C
                var (left, right) = (change[column] * Double(feedback.damping * mean), 0.0)
                for index in 0..<n {
                    left += change[index] * Double(products.floats[index * n + column])
                    right += Double(share * weights[row * n + index] * lost.floats[index * n + column])
                }
                #expect(abs(left - right) < 1e-3, "row \(row), column \(column): \(left), \(right)")
            }
        }
    }

    /// Σ over tokens of |s - t|² after the last block.
    private static func distance(_ student: Student, _ teacher: LanguageModel) throws -> Double {
        let streams = try PairedStreams(
            teacher: teacher, student: student.quantized, sequences: sequences, compares: true)
        var all = streams
        for layer in 0..<teacher.configuration.layerCount {
            for half in BlockHalf.allCases { all.advance(through: half, of: layer) }
        }
        var sum = 0.0
        for (exact, rounded) in zip(all.exact, try #require(all.rounded)) {
            for position in 0..<50 {
                let (t, s) = (
                    exact.column(sequence: 0, position: position),
                    rounded.column(sequence: 0, position: position)
                )
                sum += zip(t, s).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
        }
        return sum
    }

    @Test("brings the stream after the last block nearer to the teacher's")
    func distance() throws {
        var distances: [Double] = []
        for compensation in [Float(0), 0.5] {
            let student = try StartSample.student()
            let teacher = try StartSample.teacher(student)
            try student.roundWithFeedback(
                teacher, sequences: Self.sequences,
                options: FeedbackOptions(compensation: compensation))
            distances.append(try Self.distance(student, teacher))
        }
        #expect(distances[1] < distances[0], "\(distances)")
    }

    @Test("gives the same bits on any number of threads, with rows coupled too")
    func determinism() throws {
        let students = try [1, 3].map { try StartSample.student(threads: $0) }
        for student in students {
            let importance = try TokenImportance(
                student, sequences: Self.sequences, atATime: 2, recomputes: false)
            #expect(importance.outputs.count == student.matrices.count)
            try student.roundWithFeedback(
                StartSample.teacher(student), sequences: Self.sequences,
                options: FeedbackOptions(compensation: 0.5), importance: importance)
        }
        for (left, right) in zip(students[0].matrices, students[1].matrices) {
            #expect(left.blocks.elementsEqual(right.blocks), "\(left.name)")
        }
    }
}

extension PairedStreams {
    /// Passes all sequences through one half of a block of both models.
    fileprivate mutating func advance(through half: BlockHalf, of layer: Int) {
        for (index, stream) in exact.enumerated() {
            lead(
                index, with: teacher.input(of: half.last, layer: layer, stream), through: half, of: layer)
        }
        follow(through: half, of: layer)
    }
}
