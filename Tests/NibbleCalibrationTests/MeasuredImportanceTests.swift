import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("The importance of columns")
struct MeasuredImportanceTests {
    private static let checkpoint = Fixtures.path("hub/gemma3-text")

    private static func sequences(_ count: Int) -> [[Int32]] {
        var result: [[Int32]] = []
        for sequence in 0..<count {
            let tokens: [Int] = (0..<40).map { ($0 * 37 + 11 * sequence) % 400 + 5 }
            result.append(tokens.map(Int32.init))
        }
        return result
    }

    @Test(
        "is the mean square of the inputs",
        arguments: [1, 2])
    func meanSquares(threads: Int) throws {
        let compute = Compute(threads: threads, precision: .f32)
        let model = try LanguageModel(ModelCheckpoint(path: Self.checkpoint), compute: compute)
        let sequences = Self.sequences(3)
        let importance = try ImportanceMatrix(measuring: model, sequences: sequences)
        #expect(importance.weights.count == 7 * model.configuration.layerCount)
        // The reference: the inputs of one sequence at a time, value by value.
        var sums: [String: [Double]] = [:]
        for sequence in sequences {
            _ = try model.residual(
                [sequence],
                observe: { group, layer, x in
                    for kind in group.kinds {
                        let role = TensorRole(kind, layer: layer)
                        guard let name = NamingScheme.gguf.name(of: role, in: .gemma3) else { continue }
                        var sum = sums[name] ?? [Double](repeating: 0, count: x.features)
                        for position in sequence.indices {
                            for (feature, value) in x.column(sequence: 0, position: position).enumerated() {
                                sum[feature] += Double(value) * Double(value)
                            }
                        }
                        sums[name] = sum
                    }
                })
        }
        let tokens = Double(sequences.count * sequences[0].count)
        for (name, weights) in importance.weights {
            let expected = try #require(sums[name])
            #expect(weights.count == expected.count)
            for (found, sum) in zip(weights, expected) {
                #expect(abs(Double(found) - sum / tokens) <= 1e-5 * sum / tokens, "\(name)")
            }
        }
    }

    @Test("gives learned scales that lower the weighted error of every matrix")
    func scales() throws {
        let compute = Compute(threads: 2, precision: .f32)
        let checkpoint = try ModelCheckpoint(path: Self.checkpoint)
        let model = try LanguageModel(checkpoint, compute: compute)
        let importance = try ImportanceMatrix(measuring: model, sequences: Self.sequences(4))
        let student = try CalibrationSample.student()
        let before = try Self.errors(student, importance)
        var options = CalibrationOptions()
        options.method = .nearest
        let result = try CalibrationSample.calibrate(student, Self.sequences(4), options)
        #expect(result.matrices.allSatisfy { $0.methods == [.importance, .nearest] })
        let after = try Self.errors(student, importance)
        #expect(after.reduce(0, +) < 0.95 * before.reduce(0, +))
        #expect(zip(after, before).allSatisfy { $0 <= $1 })
    }

    /// Of every matrix the squared error of its blocks, columns weighted.
    private static func errors(_ student: Student, _ importance: ImportanceMatrix) throws -> [Double] {
        try student.matrices.map { matrix in
            let weights = try #require(importance.weights[matrix.name])
            let decoded = matrix.decoded
            return decoded.indices.reduce(0.0) { sum, index in
                let difference = Double(decoded[index] - matrix.values[index])
                return sum + Double(weights[index % matrix.columns]) * difference * difference
            }
        }
    }

    @Test("is read back from the file that it is written to")
    func written() throws {
        let model = try LanguageModel(
            ModelCheckpoint(path: Self.checkpoint), compute: Compute(threads: 2, precision: .f32))
        let sequences = Self.sequences(3)
        var importance = try ImportanceMatrix(measuring: model, sequences: sequences)
        importance.datasets = ["text.txt"]
        let folder = try TemporaryFolder()
        let path = folder.file("imatrix.gguf")
        try importance.write(to: path)
        let read = try ImportanceMatrix(path: path)
        #expect(read.datasets == ["text.txt"] && read.chunkCount == 3 && read.chunkSize == sequences[0].count)
        #expect(read.weights.keys.sorted() == importance.weights.keys.sorted())
        for (name, weights) in importance.weights {
            let found = try #require(read.weights[name])
            // Sums of that many squares are divided by their number again.
            #expect(zip(found, weights).allSatisfy { abs($0 - $1) <= 1e-6 * $1 }, "\(name)")
        }
        #expect(throws: CheckpointError.self) { try importance.write(to: path) }
        try importance.write(to: path, replacing: true)
    }
}
