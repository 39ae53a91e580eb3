import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("Correction for what rounding lost before a matrix (GPTAQ)")
struct GPTAQTests {
    private static let compute = Compute(threads: 2, precision: .f32)
    private static let sequences = CalibrationSample.sequences(4, length: 50, kinds: 280)

    @Test(
        "sublayers make the pass of the whole model",
        arguments: ["gemma3-text", "llama3", "qwen2", "qwen3"])
    func sublayers(model name: String) throws {
        let model = try LanguageModel(
            ModelCheckpoint(path: Fixtures.path("hub/\(name)")), compute: Compute(threads: 2, precision: .f32)
        )
        var inputs: [TensorRole: [Float]] = [:]
        let expected = try model.residual(
            [Self.sequences[0]],
            observe: { group, layer, x in
                for kind in group.kinds {
                    inputs[TensorRole(kind, layer: layer)] = x.column(sequence: 0, position: 31)
                }
            })
        var stream = try model.embed(Self.sequences[0])
        var seen = 0
        for layer in 0..<model.configuration.layerCount {
            for group in Sublayer.inputGroups {
                let x = model.input(of: group, layer: layer, stream).column(sequence: 0, position: 31)
                for kind in group.kinds {
                    #expect(x == inputs[TensorRole(kind, layer: layer)], "\(kind) of block \(layer)")
                    seen += 1
                }
                if group.isLast { stream = model.advance(stream, through: group.sublayer, of: layer) }
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
        let student = try CalibrationSample.student()
        let teacher = try CalibrationSample.teacher(student)
        let importance =
            isWeighted
            ? try CalibrationSample.gradients(student, Self.sequences) : nil
        let weights = importance?.compactMapValues { OutputGradients.weights($0.squares) }
        let folder = try TemporaryFolder()
        let streams = try CalibrationSample.streams(student, Self.sequences, in: folder)
        for (sublayer, layer) in [(Sublayer.attention, 0), (.feedForward, 0), (.attention, 1)] {
            try streams.advance(through: sublayer, of: layer, quantized: student.quantized)
        }
        let role = TensorRole(.feedForwardDown, layer: 1)
        let group = Sublayer.feedForward.groups[1]
        let columns = try #require(student.matrices.first { $0.role == role }).columns
        var expected = [Double](repeating: 0, count: columns * columns)
        let rounded = try #require(streams.rounded.first).streams
        let level = PairedStreams.level(.feedForward, of: 1)
        for index in Self.sequences.indices {
            let one = index..<index + 1
            let x = teacher.input(of: group, layer: 1, try streams.exact.read(level: level, one))
            let y = student.quantized.input(of: group, layer: 1, try rounded.read(level: level, one))
            for position in 0..<50 {
                let (a, b) = (
                    x.column(sequence: 0, position: position), y.column(sequence: 0, position: position)
                )
                let weight = weights?[role]?[index * 50 + position] ?? 1
                for row in 0..<columns {
                    for column in 0..<columns {
                        expected[row * columns + column] += Double(weight * (a[row] - b[row]) * a[column])
                    }
                }
            }
        }
        var found = InputHessians(
            [role], compared: [[role]], weights: weights,
            compute: student.compute)
        try streams.look(
            at: group, of: 1, quantized: [student.quantized], see: { _, _ in },
            compare: { variant, index, x, lost in
                found.add(lost: lost, of: x, variant: variant, index: index)
            })
        let taken = found.takeLosses(role, variant: 0)
        let losses = try #require(taken)
        let size = expected.map(abs).max() ?? 0
        #expect(size > 0)
        let worst = (0..<columns * columns).map { abs(Double(losses.floats[$0]) - expected[$0]) }.max() ?? 1
        #expect(worst < 1e-4 * size, "\(worst) of \(size)")
    }

    @Test("adds the share of what is linear in the inputs", arguments: [Float(0.5), 1])
    func solution(share: Float) throws {
        let student = try CalibrationSample.student()
        let matrix = student.matrices[0]
        let n = matrix.columns
        var generator = SeededGenerator(seed: 5)
        func values(_ count: Int) -> [Float] {
            (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
        }
        let (inputs, lost) = (values(3 * n * n), Memory(byteCount: n * n * 4))
        for (index, value) in values(n * n).enumerated() { lost.floats[index] = value }
        let hessian = Memory(byteCount: n * n * 4)
        for token in 0..<3 * n {
            for row in 0..<n {
                for column in 0..<n {
                    hessian.floats[row * n + column] += inputs[token * n + row] * inputs[token * n + column]
                }
            }
        }
        let weights = Array(matrix.values)
        let sums = (0..<n * n).map { hessian.floats[$0] }
        let gptq = try GPTQRounding(hessian, columns: n, blockSizes: [32], compute: Self.compute)
        try CalibrationSample.change(matrix) {
            let rounding = MatrixRounding(
                options: CalibrationOptions(), form: CalibrationForm(), compute: Self.compute, tick: { _ in })
            let losses = MatrixRounding.Losses(lost, columns: n, compute: Self.compute)
            guard case .outputs(let outputs) = rounding.lose($0, losses) else {
                Issue.record("nothing is lost")
                return
            }
            gptq.correct(3..<matrix.rows, of: $0, lost: outputs, share: share, level: .best)
        }
        let mean = (0..<n).reduce(Float(0)) { $0 + sums[$1 * n + $1] } / Float(n)
        #expect(matrix.values[..<(3 * n)].elementsEqual(weights[..<(3 * n)]))
        for row in [3, 4, matrix.rows - 1] {
            let change = (0..<n).map { Double(matrix.values[row * n + $0] - weights[row * n + $0]) }
            for column in 0..<n {
                // (W' - W) (A + d) = share W C
                var (left, right) = (change[column] * Double(gptq.damping * mean), 0.0)
                for index in 0..<n {
                    left += change[index] * Double(sums[index * n + column])
                    right += Double(share * weights[row * n + index] * lost.floats[index * n + column])
                }
                #expect(abs(left - right) < 1e-3, "row \(row), column \(column): \(left), \(right)")
            }
        }
    }

    @Test("Matrices with one input each make up for all of what it lacks, where tokens weigh the same")
    func shared() throws {
        let last = ["attn_q", "attn_k", "attn_v"].map { "blk.1.\($0).weight" }
        let student = try CalibrationSample.student()
        var options = CalibrationOptions()
        options.tokenWeights = .equal
        /// The rows of the last of the three, where some of them are calibrated behind the first block.
        func rows(_ names: [String]) throws -> [UInt8] {
            let folder = try TemporaryFolder()
            let own = student.quantizedMatrices
            let matrices = QuantizedMatrices(
                student.plan, weights: own.weights,
                calibrates: { $0.role.layer == 0 && $0.role.isLinear || names.contains($0.name) },
                advice: { _ in "" })
            let found = try Calibrator(
                reference: CalibrationSample.teacher(student), matrices: [matrices], options: options,
                plan: CalibrationPlan(observesAgain: false, holdsStreams: true)
            ).run(Self.sequences, scratch: CalibrationScratch(path: folder.file("scratch"), identity: []))
            let tensor = try #require(matrices.calibrated.first { $0.name == last[2] })
            let rows = try #require(try found[0].rows(of: tensor))
            return withExtendedLifetime(rows.file) { Array(rows.bytes) }
        }
        let alone = try rows([last[2]])
        #expect(try rows(last) == alone)
    }

    /// Σ over tokens of |s - t|² after the last block.
    private static func distance(_ student: Student, _ teacher: LanguageModel) throws -> Double {
        let folder = try TemporaryFolder()
        let all = try CalibrationSample.streams(student, sequences, in: folder)
        for layer in 0..<teacher.configuration.layerCount {
            for sublayer in Sublayer.allCases {
                try all.advance(through: sublayer, of: layer, quantized: student.quantized)
            }
        }
        var sum = 0.0
        for index in sequences.indices {
            let exact = try all.exact.read(index..<index + 1)
            let rounded = try #require(all.rounded.first).streams.read(index..<index + 1)
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
        for share in [Float(0), 0.5] {
            let student = try CalibrationSample.student()
            let teacher = try CalibrationSample.teacher(student)
            try CalibrationSample.round(student, Self.sequences, gptaq: share)
            distances.append(try Self.distance(student, teacher))
        }
        #expect(distances[1] < distances[0], "\(distances)")
    }

    @Test("gives the same bits on any number of threads, with YAQA too")
    func determinism() throws {
        let students = try [1, 3].map { try CalibrationSample.student(threads: $0) }
        for student in students {
            let result = try CalibrationSample.round(
                student, Self.sequences, gptaq: 0.5, tokenWeights: .gradient)
            #expect(result.matrices.count == student.matrices.count && result.notes.isEmpty)
            #expect(
                result.matrices.allSatisfy {
                    $0.methods == [.guidedQuant, .gptaq, .importance, .gptq, .yaqa, .coordinateDescent]
                })
        }
        for (left, right) in zip(students[0].matrices, students[1].matrices) {
            #expect(left.blocks.elementsEqual(right.blocks), "\(left.name)")
        }
    }
}
