import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("Rounding by GPTQ")
struct GPTQRoundingTests {
    private static let compute = Compute(threads: 2, precision: .f32)
    private static let sequences = CalibrationSample.sequences(4, length: 64)

    /// Of all blocks, by what the matrix is for.
    private static func hessians(_ student: Student) throws -> [TensorRole: Memory] {
        let model = try CalibrationSample.teacher(student)
        let folder = try TemporaryFolder()
        let streams = try CalibrationSample.streams(student, sequences, in: folder, compares: false)
        var hessians: [TensorRole: Memory] = [:]
        for layer in 0..<model.configuration.layerCount {
            for group in Sublayer.inputGroups {
                var found = InputHessians(
                    group.kinds.map { TensorRole($0, layer: layer) }, compared: [], weights: nil,
                    compute: model.compute)
                try streams.look(
                    at: group, of: layer, quantized: [], see: { index, x in found.add(x, index: index) },
                    compare: { _, _, _, _ in })
                found.complete(columns: group.width(in: model.configuration))
                for kind in group.kinds {
                    let role = TensorRole(kind, layer: layer)
                    hessians[role] = found.hessian(role, isLast: false)
                }
            }
        }
        return hessians
    }

    private static func round(_ student: Student, scales: CalibrationOptions.Scales = .importance) throws {
        try CalibrationSample.round(student, sequences, scales: scales)
    }

    @Test("takes the inputs that a pass through the whole model has")
    func inputs() throws {
        let student = try CalibrationSample.student()
        let model = try CalibrationSample.teacher(student)
        let hessians = try Self.hessians(student)
        let importance = try ImportanceMatrix(measuring: model, sequences: Self.sequences)
        #expect(hessians.count == importance.weights.count && hessians.count == student.matrices.count)
        for matrix in student.matrices {
            let squares = try #require(importance.weights[matrix.name])
            let memory = try #require(hessians[matrix.role])
            for column in 0..<matrix.columns {
                let sum = Double(memory.floats[column * matrix.columns + column])
                let expected = Double(squares[column]) * 256
                #expect(abs(sum - expected) <= 1e-4 * expected, "\(matrix.name), \(column)")
            }
        }
    }

    /// Of every matrix the squared error of its outputs, Σ over rows of e A eᵀ.
    private static func errors(
        _ student: Student, _ originals: [[Float]], _ hessians: [TensorRole: Memory]
    ) throws -> [Double] {
        try zip(student.matrices, originals).map { matrix, original in
            let a = try #require(hessians[matrix.role]).floats
            let n = matrix.columns
            let decoded = matrix.decoded
            var total = 0.0
            for row in 0..<matrix.rows {
                let e = (0..<n).map { Double(original[row * n + $0] - decoded[row * n + $0]) }
                for i in 0..<n {
                    var sum = 0.0
                    for j in 0..<n { sum += e[j] * Double(a[i * n + j]) }
                    total += e[i] * sum
                }
            }
            return total
        }
    }

    @Test(
        "lowers the error of the outputs of nearly every matrix, and of all together by far",
        arguments: [QuantizationType.q4_0, .q5_0, .q8_0], CalibrationOptions.Scales.allCases)
    func errors(type: QuantizationType, scales: CalibrationOptions.Scales) throws {
        let student = try CalibrationSample.student(type)
        let originals = student.matrices.map { Array($0.values) }
        let hessians = try Self.hessians(student)
        let nearest = try Self.errors(student, originals, hessians)
        try Self.round(student, scales: scales)
        let found = try Self.errors(student, originals, hessians)
        let better = zip(found, nearest).count { $0 < $1 }
        #expect(better >= nearest.count * 9 / 10, "\(better) of \(nearest.count)")
        #expect(found.reduce(0, +) < 0.8 * nearest.reduce(0, +))
    }

    @Test(
        "leaves blocks that are their masters' with their scales, and that plain rounding finds again",
        arguments: [QuantizationType.q4_0, .q5_0, .q8_0])
    func blocks(type: QuantizationType) throws {
        let student = try CalibrationSample.student(type)
        try Self.round(student)
        for matrix in student.matrices {
            let scaled = try #require(matrix.quantizer.scaledBlocks)
            let scales = try #require(matrix.learnedScales)
            #expect(
                matrix.blocks.elementsEqual(scaled.encodeReference(Array(matrix.values), scales: scales)),
                "\(matrix.name)")
            let counts = try Reencoding(of: scaled.type, storedAs: .f32).counts(matrix.blocks)
            #expect(counts.identical == counts.blocks, "\(matrix.name): \(counts)")
        }
    }

    @Test("gives the same bits on any number of threads")
    func determinism() throws {
        let students = try [1, 2, 3].map { try CalibrationSample.student(threads: $0) }
        for student in students { try Self.round(student) }
        for other in students[1...] {
            for (left, right) in zip(students[0].matrices, other.matrices) {
                #expect(left.blocks.elementsEqual(right.blocks), "\(left.name)")
                #expect(left.values.elementsEqual(right.values), "\(left.name)")
            }
        }
    }

    @Test("of inputs that have nothing to do with each other rounds to nearest")
    func uncorrelated() throws {
        let student = try CalibrationSample.student()
        let matrix = student.matrices[0]
        let before = Array(matrix.values)
        let n = matrix.columns
        let hessian = Memory(byteCount: n * n * 4)
        for column in 0..<n { hessian.floats[column * n + column] = 1 + Float(column % 7) }
        let gptq = try GPTQRounding(hessian, columns: n, blockSizes: [32], compute: Self.compute)
        try CalibrationSample.change(matrix) {
            try gptq.round(0..<matrix.rows, of: $0, CalibrationOptions(), level: .best)
        }
        let learned = try #require(matrix.learnedScales)
        var others = 0
        for (index, (old, new)) in zip(before, matrix.values).enumerated() {
            let scale = learned[index / 32]
            let nearest = min(max((old / scale).rounded(), -8), 7)
            // But for ties, and the last weight with the extreme code.
            others += abs(new - nearest * scale) < 1e-6 ? 0 : 1
        }
        #expect(others < before.count / 100, "\(others) of \(before.count)")
        let squares = gptq.importance
        // In the order of rounding, by falling square within each block.
        #expect(abs(squares.reduce(0, +) / Float(n) - 1) < 1e-5)
        for first in stride(from: 0, to: n, by: 32) {
            #expect(Array(squares[first..<first + 32]) == squares[first..<first + 32].sorted(by: >))
        }
    }

    @Test("of nothing, and of NaN, is none, and says so")
    func nothing() throws {
        let zeros = Memory(byteCount: 64 * 64 * 4)
        #expect(throws: HessianFailure.zero) {
            try GPTQRounding(zeros, columns: 64, blockSizes: [32], compute: Self.compute)
        }
        for place in [0, 1, 64 * 64 - 1] {
            let broken = Memory(byteCount: 64 * 64 * 4)
            for column in 0..<64 { broken.floats[column * 64 + column] = 1 }
            for value in [Float.nan, .infinity] {
                broken.floats[place] = value
                #expect(throws: HessianFailure.notFinite) {
                    try GPTQRounding(broken, columns: 64, blockSizes: [32], compute: Self.compute)
                }
            }
        }
        zeros.floats[0] = 1
        let gptq = try GPTQRounding(zeros, columns: 64, blockSizes: [32], compute: Self.compute)
        #expect(gptq.importance[0] == 64)
    }

    @Test(
        "damps a Hessian that lacks an eigenvalue, more where it has negative ones, up to a bound",
        arguments: [(1, 0.01), (1.05, 0.1), (1.5, 1)] as [(Float, Float)])
    func damping(correlation: Float, damping: Float) throws {
        // Two features that are as one, or that a Hessian with errors makes more alike than one is to itself: with
        // eigenvalues of 1 + c and 1 - c, and a mean of 1.
        let n = 64
        func hessian(_ correlation: Float) -> Memory {
            let hessian = Memory(byteCount: n * n * 4)
            for column in 0..<n { hessian.floats[column * n + column] = 1 }
            (hessian.floats[1], hessian.floats[n]) = (correlation, correlation)
            return hessian
        }
        #expect(
            try GPTQRounding(hessian(correlation), columns: n, blockSizes: [32], compute: Self.compute)
                .damping == damping)
        #expect(throws: HessianFailure.indefinite) {
            try GPTQRounding(hessian(2.5), columns: n, blockSizes: [32], compute: Self.compute)
        }
    }

    @Test("of inputs of one direction spreads what one weight lost over the others")
    func deficient() throws {
        let student = try CalibrationSample.student()
        let matrix = student.matrices[0]
        let n = matrix.columns
        let hessian = Memory(byteCount: n * n * 4)
        let direction = (0..<n).map { 1 + Float($0 % 5) / 4 }
        for row in 0..<n {
            for column in 0..<n { hessian.floats[row * n + column] = direction[row] * direction[column] }
        }
        let weights = Array(matrix.values)
        /// The squared error of the outputs of the blocks.
        func error() -> Double {
            let decoded = matrix.decoded
            return (0..<matrix.rows).reduce(0) { sum, row in
                let off = (0..<n).reduce(0.0) {
                    $0 + Double(direction[$1] * (decoded[row * n + $1] - weights[row * n + $1]))
                }
                return sum + off * off
            }
        }
        let nearest = error()
        let gptq = try GPTQRounding(hessian, columns: n, blockSizes: [32], compute: Self.compute)
        #expect(gptq.damping == 0.01)
        try CalibrationSample.change(matrix) {
            try gptq.round(
                0..<matrix.rows, of: $0, CalibrationOptions(methods: "gptq+coordinate_descent"),
                level: .best)
        }
        try matrix.encodeWeights(0..<matrix.rows, compute: Self.compute)
        #expect(error() < 0.2 * nearest, "\(error()), \(nearest)")
    }
}
