package import NibbleCheckpoint
package import NibbleModel
internal import NibbleNumerics
package import NibbleQuantization
internal import NibbleTensor

/// The matrices of a model that a plan quantizes: what they are made of, and what they become where each weight is
/// rounded to the nearest code.
package struct QuantizedMatrices: Sendable {
    /// In the order of the plan.
    package let tensors: [PlannedTensor]
    /// Those of blocks whose codes and scales are chosen by calibration.
    package let calibrated: [PlannedTensor]
    /// Those outside of blocks of which that was asked for: they are rounded to nearest.
    let outside: [PlannedTensor]
    /// Their weights.
    package let weights: any WeightSource
    /// What to do about a weight that its format cannot hold, given the GGUF name of its matrix.
    package let advice: @Sendable (_ name: String) -> String
    private let byRole: [TensorRole: PlannedTensor]
    /// A model whose matrices outside of blocks are rounded, where there is one already.
    private let rounded: LanguageModel?

    /// The matrices of a plan.
    ///
    /// - Parameters:
    ///   - calibrates: whether codes and scales of a matrix are chosen by calibration.
    ///   - rounded: a model whose matrices outside of blocks are rounded, where there is one already.
    package init(
        _ plan: ResolvedPlan, weights: any WeightSource, rounded: LanguageModel? = nil,
        calibrates: (PlannedTensor) -> Bool, advice: @escaping @Sendable (_ name: String) -> String
    ) {
        tensors = plan.tensors.filter {
            guard case .stored(let entry) = $0.source, entry.shape.count == 2, $0.role.part == .weight
            else { return false }
            return $0.format != .ggml(entry.type) || calibrates($0)
        }
        calibrated = tensors.filter { calibrates($0) && $0.role.layer != nil }
        outside = tensors.filter { calibrates($0) && $0.role.layer == nil }
        self.weights = weights
        self.rounded = rounded
        self.advice = advice
        byRole = Dictionary(tensors.map { ($0.role, $0) }) { first, _ in first }
    }

    /// The matrix of a role; nil where the plan leaves it as it is.
    package subscript(role: TensorRole) -> PlannedTensor? { byRole[role] }

    /// `model` with the matrices of a block rounded, each of which is a parameter.
    func round(_ layer: Int, of model: LanguageModel) throws(CheckpointError) -> RoundedBlock {
        var matrices: [TensorRole: Matrix] = [:]
        for kind in Sublayer.inputGroups.flatMap(\.kinds) {
            let role = TensorRole(kind, layer: layer)
            guard let tensor = byRole[role] else { continue }
            matrices[role] = try nearest(
                tensor, compute: model.compute,
                parameter: Parameter(name: tensor.name, count: tensor.rows * tensor.columns))
        }
        return RoundedBlock(
            model: model.replacing(matrices), parameters: matrices.compactMapValues(\.parameter))
    }

    /// `model` with the vocabulary's matrices rounded, and held in the form in which products take them: they are used for
    /// every token in both directions.
    func roundVocabulary(of model: LanguageModel) throws(CheckpointError) -> LanguageModel {
        if let rounded { return rounded }
        let compute = model.compute
        var matrices: [TensorRole: Matrix] = [:]
        for tensor in tensors where tensor.role.isVocabulary {
            matrices[tensor.role] = try nearest(
                tensor, compute: compute, decodedAs: .ggml(compute.hasBF16 ? .bf16 : .f32))
        }
        return model.replacing(matrices)
    }

    /// A matrix with each weight rounded to the nearest code.
    ///
    /// - Parameter decodedAs: plain numbers to hold it as; nil holds the encoded rows.
    func nearest(
        _ tensor: PlannedTensor, compute: Compute, decodedAs target: WeightFormat? = nil,
        parameter: Parameter? = nil
    ) throws(CheckpointError) -> Matrix {
        let (rows, columns) = (tensor.rows, tensor.columns)
        let quantizer = FakeQuantizer(tensor.format, columns: columns)
        let format = target ?? tensor.format
        guard let codec = format.codec, let width = format.byteCount(columns: columns) else {
            preconditionFailure("\(format) does not encode rows of \(columns)")
        }
        let memory = Memory(byteCount: rows * width)
        let level = compute.level
        try compute.forEachRows(of: rows) { range throws(CheckpointError) in
            let values = Memory(byteCount: 4 * range.count * columns)
            let own = values.floats(0..<range.count, of: columns)
            try weights.load(range, of: tensor, into: own)
            var result = memory.slice(range.lowerBound * width..<range.upperBound * width).mutableBytes
            do throws(CodecError) {
                guard target != nil else {
                    return try quantizer.encode(own.span, into: &result, level: level)
                }
                var blocks = [UInt8](repeating: 0, count: range.count * quantizer.rowBytes)
                var span = blocks.mutableSpan
                var raw = span.mutableBytes
                try quantizer.encode(own.span, into: &raw, level: level)
                var decoded = own.mutableSpan
                quantizer.codec.decode(blocks.span.bytes, columns: columns, into: &decoded, level: level)
                try codec.encode(own.span, columns: columns, importance: nil, into: &result, level: level)
            } catch {
                let place = tensor.place
                throw WeightFault(
                    error, values: UnsafeBufferPointer(own), columns: columns, firstRow: range.lowerBound,
                    codec: quantizer.codec, advice: advice(tensor.name)
                ).error(path: place.path, tensor: place.tensor)
            }
        }
        let matrix = Matrix(
            rows: rows, columns: columns, format: format, bytes: UnsafeRawBufferPointer(memory.bytes),
            owner: memory, parameter: parameter)
        guard let matrix else { preconditionFailure("\(format) cannot be decoded") }
        return matrix
    }
}

/// A model with one block of rounded matrices.
struct RoundedBlock {
    let model: LanguageModel
    /// What gradients by the outputs of its matrices are keyed by.
    let parameters: [TensorRole: Parameter]
}

extension PlannedTensor {
    /// Outputs.
    var rows: Int { shape[0] }
    /// Inputs.
    var columns: Int { shape[1] }
    /// Where the weights stand.
    var place: (path: String, tensor: String) {
        guard case .stored(let entry) = source else { preconditionFailure("'\(name)' is not stored") }
        return (entry.file.path, entry.name)
    }
}
