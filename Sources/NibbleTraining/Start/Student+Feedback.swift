internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension Student {
    /// Rounds the weights of all blocks with error feedback (``ErrorFeedback``), those with the same input after those
    /// that come before them: masters and scales become those that were rounded.
    ///
    /// - Parameters:
    ///   - teacher: the model whose inputs are measured.
    ///   - sequences: some text.
    ///   - options: what is rounded.
    ///   - importance: of the tokens of `sequences`; nil: all weigh the same.
    ///   - continues: asked after every block of the model, with how many are done.
    /// - Returns: what it came to.
    /// - Precondition: scales are learned.
    /// - Throws: `ModelError` where a token is beyond the vocabulary; `CheckpointError` where a weight is no number.
    @discardableResult
    func roundWithFeedback(
        _ teacher: LanguageModel, sequences: [[Int32]], options: FeedbackOptions = .init(),
        importance: TokenImportance? = nil, continues: (_ done: Int) -> Bool = { _ in true }
    ) throws -> FeedbackRounding {
        precondition(self.options.config.scales == .learned, "scales are recomputed")
        var result = FeedbackRounding()
        var streams = try PairedStreams(
            teacher: teacher, student: quantized, sequences: sequences, compares: options.compensation > 0)
        for layer in 0..<teacher.configuration.layerCount {
            for group in InputGroup.allCases {
                let products = InputProducts(&streams, group, layer: layer, importance: importance)
                result.unrounded += try roundWithFeedback(products, importance, options)
                if let half = group.lastOf { streams.follow(through: half, of: layer) }
            }
            guard continues(layer + 1) else { return result }
        }
        result.isWhole = true
        return result
    }

    /// Rounds the matrices that `products` are known of; returns those that it could not round.
    private func roundWithFeedback(
        _ products: InputProducts, _ importance: TokenImportance?, _ options: FeedbackOptions
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
            if let lost = products.losses[matrix.role] {
                try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                    feedback.compensate(rows, of: matrix, lost: lost, share: options.compensation)
                }
            }
            let coupled = importance?.outputs[matrix.role].flatMap { RowFeedback($0, rows: matrix.rows) }
            guard let coupled else {
                try round(
                    0..<matrix.rows, height: Compute.rowsAtATime, of: matrix, scales, with: feedback, options)
                continue
            }
            try coupled.round(matrix) { rows throws(CheckpointError) in
                try round(rows, height: 4, of: matrix, scales, with: feedback, options)
            }
        }
        return unrounded
    }

    /// Rounds and encodes some rows of a matrix, `height` at a time.
    private func round(
        _ rows: Range<Int>, height: Int, of matrix: TrainedMatrix, _ scales: LearnedScales,
        with feedback: ErrorFeedback, _ options: FeedbackOptions
    ) throws(CheckpointError) {
        try compute.forEachRows(in: rows, height: height) { rows throws(CheckpointError) in
            do throws(CodecError) {
                try feedback.round(
                    rows, of: matrix, scales: scales, searches: options.searches, level: compute.level)
            } catch {
                // Blocks are numbered in the order of the feedback here.
                throw CheckpointError(
                    .invalidValue, path: matrix.source.path,
                    subject:
                        "tensor '\(matrix.source.tensor)', rows \(rows.lowerBound) to \(rows.upperBound - 1)",
                    "a weight is too large for \(matrix.quantizer.codec.name), or not a number",
                    advice:
                        "give the tensor another type with quantization.tensor_types, as '\(matrix.name)=bf16'"
                )
            }
            try matrix.encode(rows, level: compute.level)
        }
    }
}
