internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension Student {
    /// Rounds the weights of all blocks with error feedback (``ErrorFeedback``), one block after the other: masters and
    /// scales become those that were rounded.
    ///
    /// - Parameters:
    ///   - teacher: the model whose inputs are measured.
    ///   - sequences: some text.
    ///   - searches: whether scales are searched for, columns weighted, or the codec's.
    ///   - importance: of the tokens of `sequences`; nil: all weigh the same.
    ///   - continues: asked after every block of the model, with how many are done.
    /// - Returns: what it came to.
    /// - Precondition: scales are learned.
    /// - Throws: `ModelError` where a token is beyond the vocabulary; `CheckpointError` where a weight is no number.
    @discardableResult
    func roundWithFeedback(
        _ teacher: LanguageModel, sequences: [[Int32]], searches: Bool, importance: TokenImportance? = nil,
        continues: (_ done: Int) -> Bool = { _ in true }
    ) throws -> FeedbackRounding {
        precondition(options.config.scales == .learned, "scales are recomputed")
        var result = FeedbackRounding()
        var streams = try sequences.map { sequence throws(ModelError) in try teacher.embed(sequence) }
        for layer in 0..<teacher.configuration.layerCount {
            result.unrounded += try roundWithFeedback(
                InputProducts(teacher, layer: layer, streams: &streams, importance: importance),
                searches: searches)
            guard continues(layer + 1) else { return result }
        }
        result.isWhole = true
        return result
    }

    /// Rounds the matrices that `products` are known of; returns those that it could not round.
    private func roundWithFeedback(
        _ products: InputProducts, searches: Bool
    ) throws(CheckpointError) -> [FeedbackRounding.Unrounded] {
        // Matrices of the same input share its factor.
        var known: [ObjectIdentifier: Result<ErrorFeedback, ErrorFeedback.Failure>] = [:]
        var unrounded: [FeedbackRounding.Unrounded] = []
        for matrix in matrices {
            guard let scales = matrix.scales, let own = products.products[matrix.role] else { continue }
            let key = ObjectIdentifier(own)
            let found =
                known[key]
                ?? Result { () throws(ErrorFeedback.Failure) in
                    try ErrorFeedback(own, columns: matrix.columns)
                }
            known[key] = found
            let feedback: ErrorFeedback
            switch found {
            case .success(let factored): feedback = factored
            case .failure(let failure):
                unrounded.append(.init(name: matrix.name, reason: "\(failure)"))
                continue
            }
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                do {
                    try feedback.round(
                        rows, of: matrix, scales: scales, searches: searches, level: compute.level)
                } catch {
                    throw CheckpointError(
                        .invalidValue, path: "student", subject: "tensor '\(matrix.name)', rows \(rows)",
                        "cannot be encoded as \(matrix.quantizer.codec.name): \(error)")
                }
                try matrix.encode(rows, level: compute.level)
            }
        }
        return unrounded
    }
}
