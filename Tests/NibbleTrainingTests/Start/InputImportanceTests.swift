import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("The importance of columns")
struct InputImportanceTests {
    private static let checkpoint = Fixtures.path("hub/gemma3-text")

    private static func sequences(_ count: Int, length: Int = 40) -> [[Int32]] {
        var result: [[Int32]] = []
        for sequence in 0..<count {
            let tokens: [Int] = (0..<length).map { ($0 * 37 + 11 * sequence) % 400 + 5 }
            result.append(tokens.map(Int32.init))
        }
        return result
    }

    @Test(
        "is the mean square of what flows in: a product with one row of it has the same mean",
        arguments: [1, 2])
    func meanSquares(threads: Int) throws {
        let compute = Compute(threads: threads, precision: .f32)
        let model = try LanguageModel(ModelCheckpoint(path: Self.checkpoint), compute: compute)
        let sequences = Self.sequences(3)
        let importance = try InputImportance(model, sequences: sequences)
        #expect(importance.weights.count == 7 * model.configuration.layerCount)
        // The reference: the inputs of one sequence at a time, value by value.
        var sums: [TensorRole: [Double]] = [:]
        for sequence in sequences {
            _ = try model.residual(
                [sequence],
                observe: { kind, layer, x in
                    let role = TensorRole(kind, layer: layer)
                    var sum = sums[role] ?? [Double](repeating: 0, count: x.features)
                    for position in sequence.indices {
                        for (feature, value) in x.column(sequence: 0, position: position).enumerated() {
                            sum[feature] += Double(value) * Double(value)
                        }
                    }
                    sums[role] = sum
                })
        }
        let tokens = Double(sequences.count * sequences[0].count)
        for (role, weights) in importance.weights {
            let expected = try #require(sums[role])
            #expect(weights.count == expected.count)
            for (found, sum) in zip(weights, expected) {
                #expect(abs(Double(found) - sum / tokens) <= 1e-5 * sum / tokens, "\(role)")
            }
        }
    }

    @Test("gives learned scales that lower the weighted error of every matrix")
    func scales() throws {
        let compute = Compute(threads: 2, precision: .f32)
        let checkpoint = try ModelCheckpoint(path: Self.checkpoint)
        let model = try LanguageModel(checkpoint, compute: compute)
        let importance = try InputImportance(model, sequences: Self.sequences(4))
        var options = StudentOptions()
        options.parameters = [.linear, .scales]
        options.config.scales = .learned
        options.dithering = .never
        let student = try Student(checkpoint, options: options, compute: compute)
        let before = try Self.errors(student, importance)
        try student.chooseScales(importance)
        let after = try Self.errors(student, importance)
        #expect(after.reduce(0, +) < 0.95 * before.reduce(0, +))
        #expect(zip(after, before).allSatisfy { $0 <= $1 })
    }

    /// Of every matrix the squared error of its blocks, columns weighted.
    private static func errors(_ student: Student, _ importance: InputImportance) throws -> [Double] {
        try student.matrices.map { matrix in
            let weights = try #require(importance.weights[matrix.role])
            var decoded = [Float](repeating: 0, count: matrix.rows * matrix.columns)
            var span = decoded.mutableSpan
            matrix.quantizer.codec.decode(
                RawSpan(_unsafeBytes: matrix.blocks), columns: matrix.columns, into: &span, level: .current)
            return decoded.indices.reduce(0.0) { sum, index in
                let difference = Double(decoded[index] - matrix.values[index])
                return sum + Double(weights[index % matrix.columns]) * difference * difference
            }
        }
    }

    @Test("that is relative to all matrices averages to one")
    func magnitudes() throws {
        let student = try Student(
            ModelCheckpoint(path: Self.checkpoint), options: StudentOptions(),
            compute: Compute(threads: 2, precision: .f32))
        let total = student.matrices.reduce(0.0) { $0 + Double($1.parameter.count) }
        let mean = student.matrices.reduce(0.0) {
            $0 + Double($1.relativeMagnitude) * Double($1.parameter.count) / total
        }
        #expect(abs(mean - 1) < 1e-5)
        let first = student.matrices[0]
        let own = first.values.reduce(0.0) { $0 + Double(abs($1)) } / Double(first.parameter.count)
        #expect(abs(own - first.meanMagnitude) <= 1e-5 * own && own > 0)
    }
}
