internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Rounds the matrices of the vocabulary, each row by what its errors do to the loss.
///
/// An error e of a row of the head changes the logit of its token by e · h, h the final state, which costs
/// p (1 - p) (e · h)² / 2 wherever the token has the probability p. An error of a row of the embedding changes what enters
/// the model wherever its token stands, which costs (e · g)² / 2 in the mean, g the gradient of the loss by the row. Rows
/// differ in how much they matter, which decides nothing as all have the same bytes; what decides is how errors of columns
/// work together, which is taken as the same for all: A = Σ (1 - Σ p²) h hᵀ for a head, Σ g gᵀ for an embedding, few large
/// g held back, and the sum of the two, both in nats, where one matrix is both.
struct VocabularyRounding {
    let gradients: GradientPass
    let variants: [QuantizedVariant]
    let options: CalibrationOptions
    /// What is known of the head's inputs, the first part of A.
    let states: ScratchFile
    /// Called after each piece of work with the share of it that is done; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void

    private var reference: LanguageModel { gradients.reference }
    private var compute: Compute { reference.compute }
    private var columns: Int { reference.configuration.embeddingLength }

    /// Rows that are in memory at a time.
    static let height = 4096

    /// Bytes that rounding takes, besides what a pass through a block does.
    static func byteCount(columns: Int, compute: Compute) -> Int {
        // The weights, what is known of them and their codes; the Hessian, its parts and its factor.
        6 * height * columns + 12 * columns * columns
            + 16 * MatrixRounding.mostRows * compute.workers.count * columns
    }

    /// Keeps what ``GradientPass/differentiate(head:)`` sums of the head's inputs.
    func keep(_ head: Memory) throws(CheckpointError) {
        try states.write(UnsafeRawBufferPointer(head.bytes), at: 0, compute)
    }

    /// Rounds those of all quantized models.
    func round() throws(CheckpointError) -> RoundingPass.Done {
        var done = RoundingPass.Done()
        let count = variants.reduce(0) { $0 + $1.matrices.vocabulary.count }
        for (index, variant) in variants.enumerated() {
            for tensor in variant.matrices.vocabulary {
                let result = try round(tensor, of: variant, share: 1 / Double(count))
                done.matrices.append((index, result, try variant.rows.digest(of: tensor)))
            }
        }
        return done
    }

    private func round(
        _ tensor: PlannedTensor, of variant: QuantizedVariant, share: Double
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        guard let grid = tensor.grid else { preconditionFailure("\(tensor.format) has no grid") }
        let hessian = try hessian(of: tensor.role)
        let factor = Result { () throws(HessianFailure) in
            try GPTQRounding(hessian, columns: columns, blockSizes: [grid.blockSize], compute: compute)
        }
        var result = CalibrationResult.Matrix(name: tensor.name, methods: [])
        switch factor {
        case .success(let factor):
            result.methods =
                [.guidedQuant] + (options.scales == .importance ? [.importance] : []) + [.gptq]
                + (options.coordinateDescent ? [.coordinateDescent] : [])
            if factor.damping != GPTQRounding.dampings[0] { result.damping = factor.damping }
        case .failure(let failure):
            result.methods = [.nearest]
            result.miss(.gptq, "\(failure)")
        }
        for first in stride(from: 0, to: tensor.rows, by: Self.height) {
            let band = first..<min(first + Self.height, tensor.rows)
            let matrix = try CalibratedMatrix(
                band, of: tensor, in: variant.matrices, grid: grid, compute: compute)
            let rounding = MatrixRounding(
                options: options, form: CalibrationForm(), compute: compute, tick: { _ in })
            switch factor {
            case .success(let factor): try rounding.round(0..<band.count, of: matrix, by: factor)
            case .failure: try rounding.roundToNearest(matrix)
            }
            try variant.rows.write(matrix)
            try tick(share * Double(band.count) / Double(tensor.rows))
        }
        return result
    }

    /// A, for what the matrix is for.
    ///
    /// - Parameter isCost: whether it has the size of what errors cost in all.
    func hessian(of role: TensorRole, isCost: Bool = false) throws(CheckpointError) -> Memory {
        let hessian = Memory(byteCount: 4 * columns * columns)
        if role.kind == .output || reference.configuration.tiesEmbeddings {
            try states.read(into: hessian.bytes, at: 0, compute)
        }
        if role.kind == .tokenEmbedding { try gradients.addGradientsOfEmbedding(to: hessian, isCost: isCost) }
        compute.completeGram(hessian.floats, size: columns)
        return hessian
    }
}
