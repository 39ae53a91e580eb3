import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("Gradients by the outputs of matrices")
struct OutputGradientsTests {
    private static let sequences = CalibrationSample.sequences(3, length: 40)

    @Test("has mean 1 over the tokens of each matrix, however many sequences pass together")
    func mean() throws {
        let student = try CalibrationSample.student(parameters: [.linear, .norms])
        let found = try [1, 2, 3].map {
            try CalibrationSample.gradients(student, Self.sequences, atATime: $0)
        }
        for matrix in student.matrices {
            let weights = try found.map {
                try #require($0[matrix.role].flatMap { OutputGradients.weights($0.squares) })
            }
            let (sum, count) = (weights[0].reduce(0, +), weights[0].count)
            #expect(count == 120 && abs(sum / 120 - 1) < 1e-4, "\(matrix.name): \(sum)")
            for other in weights[1...] {
                let difference = zip(weights[0], other).map { abs($0 - $1) }.max() ?? .infinity
                let relative = difference / (weights[0].max() ?? 0)
                #expect(relative < 1e-4, "\(matrix.name): \(relative)")
            }
        }
    }

    /// The gradient of a matrix W of which a token puts out W x is Σ g xᵀ: with one token in the sequence that the loss
    /// counts, and inputs known, |g| follows from the gradient of W itself.
    @Test("is the size of the gradients that reach the outputs of a matrix")
    func gradients() throws {
        let student = try CalibrationSample.student(parameters: [.linear, .norms])
        // Two tokens, of which the first has a next one: the second token's outputs matter to nothing.
        let sequences: [[Int32]] = [[7, 9], [300, 11], [42, 5]]
        let importance = try CalibrationSample.gradients(student, sequences, atATime: 1)
        var loss = DistillationLoss()
        loss.crossEntropy = 1
        let teacher = try LanguageModel(student.checkpoint, compute: student.compute)
        // The unquantized model whose matrices are parameters.
        var model = teacher
        var parameters: [TensorRole: Parameter] = [:]
        for layer in 0..<teacher.configuration.layerCount {
            let (next, own) = model.parameterizing(layer)
            model = next
            parameters.merge(own, uniquingKeysWith: { $1 })
        }
        let pass = DistillationPass(teacher: teacher, student: model, loss: loss)
        var sizes: [TensorRole: [Float]] = [:]
        var hessians: [TensorRole: [Float]] = [:]
        for sequence in sequences {
            var inputs: [TensorRole: Float] = [:]
            _ = try model.residual(
                [[sequence[0]]],
                observe: { group, layer, x in
                    let square = x.column(sequence: 0, position: 0).reduce(0) { $0 + $1 * $1 }
                    for kind in group.kinds { inputs[TensorRole(kind, layer: layer)] = square }
                })
            let gradients = Gradients(compute: student.compute)
            _ = try pass.run([sequence], into: gradients)
            for matrix in student.matrices {
                let gradient = try #require(parameters[matrix.role].flatMap { gradients[$0] })
                let squares = gradient.reduce(0) { $0 + $1 * $1 }
                // |g xᵀ|² = |g|² |x|²
                let (input, columns) = (inputs[matrix.role] ?? 0, matrix.columns)
                let size = (squares / input).squareRoot()
                sizes[matrix.role, default: []].append(size)
                guard size > 0 else { continue }
                // (g xᵀ) (g xᵀ)ᵀ = g gᵀ |x|²
                var sum = hessians[matrix.role] ?? Array(repeating: 0, count: matrix.rows * matrix.rows)
                for row in 0..<matrix.rows {
                    for other in 0..<matrix.rows {
                        let product = (0..<columns).reduce(Float(0)) {
                            $0 + gradient[row * columns + $1] * gradient[other * columns + $1]
                        }
                        sum[row * matrix.rows + other] += product / (input * size)
                    }
                }
                hessians[matrix.role] = sum
            }
        }
        for matrix in student.matrices {
            let expected = try #require(sizes[matrix.role])
            let mean = expected.reduce(0, +) / 6
            #expect(
                (importance[matrix.role].flatMap { OutputGradients.weights($0.squares) } != nil) == (mean > 0)
            )
            let weights = importance[matrix.role].flatMap { OutputGradients.weights($0.squares) } ?? []
            #expect(weights.count == (mean > 0 ? 6 : 0))
            for (index, size) in expected.enumerated() {
                guard mean > 0 else {
                    // A token alone attends to itself whatever its query and key.
                    #expect(matrix.name.contains("attn_q") || matrix.name.contains("attn_k"))
                    continue
                }
                #expect(
                    abs(weights[2 * index] - size / mean) < 1e-2, "\(matrix.name): \(weights), \(size / mean)"
                )
                #expect(weights[2 * index + 1] == 0, "\(matrix.name)")
            }
            let outputs = try #require(importance[matrix.role]?.hessians.first?.sum)
            guard let product = hessians[matrix.role] else { continue }
            let largest = product.map { abs($0) }.max() ?? 0
            // Each of the three sequences has a third of the weight.
            let worst = product.indices.map { abs(3 * outputs.floats[$0] - product[$0]) }.max() ?? .infinity
            #expect(largest > 0 && worst < 1e-2 * largest, "\(matrix.name): \(worst) of \(largest)")
        }
    }
}
