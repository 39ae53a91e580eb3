internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// The weights that a student begins with: those of what is trained, drawn within the teacher's cells where they lie on a
/// grid, and the teacher's of all else.
struct StudentWeights: WeightSource {
    private let masters: [TensorRole: TrainedMatrix]
    /// Where matrices hold no more than blocks.
    private let beginnings: [TensorRole: BeginningWeights]
    private let stored: StoredWeights

    init(_ student: Student) {
        beginnings = student.beginnings
        masters = Dictionary(uniqueKeysWithValues: student.matrices.map { ($0.role, $0) })
        stored = StoredWeights(level: student.compute.level)
    }

    func load(
        _ rows: Range<Int>, of tensor: PlannedTensor, into values: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard let matrix = masters[tensor.role] else {
            return try stored.load(rows, of: tensor, into: values)
        }
        switch matrix.state {
        case .float(let floats):
            _ = values.update(fromContentsOf: floats.weights.floats(rows, of: matrix.columns))
        case .compact:
            guard let beginning = beginnings[tensor.role] else {
                preconditionFailure("'\(matrix.name)' began")
            }
            try beginning.load(rows, into: values)
        }
    }
}

extension Student {
    /// What calibration rounds: the matrices whose scales are learned.
    var quantizedMatrices: QuantizedMatrices {
        let learned = Set(matrices.filter { $0.scales != nil }.map(\.role))
        return QuantizedMatrices(
            plan, weights: StudentWeights(self), rounded: quantized,
            calibrates: { learned.contains($0.role) },
            advice: { "give the tensor another type with quantization.tensor_types, as '\($0)=bf16'" })
    }
}
