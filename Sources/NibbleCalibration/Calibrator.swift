package import NibbleCheckpoint
package import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Rounds the matrices of a model's blocks by what a calibration text says of them.
///
/// With GPTQ the text passes through the unquantized model a sublayer at a time, whose matrices are rounded by their
/// Hessians before the next is looked at; where GPTAQ is asked for the quantized model goes along. docs/design/
/// 0013-calibration.md tells why each part is there.
package struct Calibrator {
    /// The unquantized model.
    let reference: LanguageModel
    /// The model that computes with the blocks of ``matrices``, whose parameters are theirs.
    let quantized: LanguageModel
    /// The matrices to round, in the order of the file.
    let matrices: [CalibratedMatrix]
    /// How. ``CalibrationOptions/Method/automatic`` is GPTQ here.
    let options: CalibrationOptions
    private var compute: Compute { reference.compute }

    /// Tokens that pass through a model together, or one sequence where that is longer.
    package static let tokensAtATime = 1024

    /// Sequences of `length` tokens that pass through a model together.
    package static func sequencesAtATime(length: Int) -> Int { max(1, tokensAtATime / length) }

    /// Creates a calibrator.
    package init(
        reference: LanguageModel, quantized: LanguageModel, matrices: [CalibratedMatrix],
        options: CalibrationOptions
    ) {
        self.reference = reference
        self.quantized = quantized
        self.matrices = matrices
        self.options = options
    }

    /// Rounds all matrices: weights, scales and blocks become those that they were rounded to.
    ///
    /// - Parameters:
    ///   - sequences: of equal length.
    ///   - recomputes: whether blocks are computed again on the way back of gradients.
    ///   - isCancelled: asked after every piece of work; then there is no result, and weights are of no use.
    /// - Throws: `CheckpointError` where a weight is no number or a model gives none.
    package func run(
        _ sequences: [[Int32]], recomputes: Bool = false, progress: (PreparationProgress) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws(CheckpointError) -> CalibrationResult? {
        do {
            var result =
                options.method == .nearest
                ? try searchScales(sequences, progress, isCancelled)
                : try roundByHessians(sequences, recomputes, progress, isCancelled)
            result?.tokens = sequences.reduce(0) { $0 + $1.count }
            return result
        } catch let error as ModelError {
            throw error.checkpointError
        } catch let error as CheckpointError {
            throw error
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private func searchScales(
        _ sequences: [[Int32]], _ progress: (PreparationProgress) -> Void, _ isCancelled: () -> Bool
    ) throws -> CalibrationResult? {
        var result = CalibrationResult()
        guard options.scales == .importance else {
            result.matrices = matrices.map { .init(name: $0.name, methods: [.nearest]) }
            return result
        }
        let importance = try ImportanceMatrix(measuring: reference, sequences: sequences) {
            progress(.init(stage: .measuringInputs, done: $0, total: sequences.count))
            return !isCancelled()
        }
        if isCancelled() { return nil }
        for matrix in matrices {
            guard let weights = importance.weights[matrix.name] else {
                result.matrices += outsideOfBlocks([matrix.name], .importance)
                continue
            }
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.searchScales(rows, importance: weights, level: compute.level)
                try matrix.encode(rows, level: compute.level)
            }
            result.matrices.append(.init(name: matrix.name, methods: [.importance, .nearest]))
        }
        return result
    }

    private func roundByHessians(
        _ sequences: [[Int32]], _ recomputes: Bool, _ progress: (PreparationProgress) -> Void,
        _ isCancelled: () -> Bool
    ) throws -> CalibrationResult? {
        var result = CalibrationResult()
        let gradients = try outputGradients(sequences, recomputes, progress, isCancelled)
        // Of the way back.
        compute.pool.releaseIdle()
        if isCancelled() { return nil }
        var streams = try PairedStreams(
            reference: reference, quantized: quantized, sequences: sequences, compares: options.gptaq > 0)
        let layers = reference.configuration.layerCount
        for layer in 0..<layers {
            for group in Sublayer.inputGroups {
                let hessians = InputHessians(&streams, group, layer: layer, gradients: gradients)
                result.matrices += try round(hessians, gradients)
                if group.isLast { streams.follow(through: group.sublayer, of: layer) }
            }
            progress(.init(stage: .roundingWeights, done: layer + 1, total: layers))
            if layer + 1 < layers, isCancelled() { return nil }
        }
        let rounded = Set(result.matrices.map(\.name))
        result.matrices += outsideOfBlocks(matrices.map(\.name).filter { !rounded.contains($0) }, .gptq)
        return result
    }

    private func outsideOfBlocks(
        _ names: [String], _ missing: CalibrationResult.Method
    ) -> [CalibrationResult.Matrix] {
        CalibrationResult(names, without: missing, "it is in no block of the model").matrices
    }

    private func outputGradients(
        _ sequences: [[Int32]], _ recomputes: Bool, _ progress: (PreparationProgress) -> Void,
        _ isCancelled: () -> Bool
    ) throws(ModelError) -> OutputGradients? {
        guard options.tokenWeights == .gradient, let length = sequences.first?.count else { return nil }
        return try OutputGradients(
            quantized, matrices, sequences: sequences, atATime: Self.sequencesAtATime(length: length),
            recomputes: recomputes
        ) {
            progress(.init(stage: .weighingTokens, done: $0 * length, total: sequences.count * length))
            return !isCancelled()
        }
    }

    // MARK: - Matrices

    /// Rounds the matrices that `hessians` are known of.
    private func round(
        _ hessians: InputHessians, _ gradients: OutputGradients?
    ) throws(CheckpointError) -> [CalibrationResult.Matrix] {
        // Matrices with one input share its factor.
        var known: [ObjectIdentifier: Result<GPTQRounding, HessianFailure>] = [:]
        var done: [CalibrationResult.Matrix] = []
        for matrix in matrices {
            guard let own = hessians.hessians[matrix.role] else { continue }
            let key = ObjectIdentifier(own)
            let found =
                known[key]
                ?? Result { () throws(HessianFailure) in try GPTQRounding(own, columns: matrix.columns)
                }
            known[key] = found
            switch found {
            case .success(let rounding):
                done.append(
                    try round(matrix, by: rounding, lost: hessians.losses[matrix.role], gradients))
            case .failure(let failure):
                done.append(
                    .init(
                        name: matrix.name, methods: [.nearest],
                        missing: [.init(method: .gptq, reason: "\(failure)")]))
            }
        }
        return done
    }

    private func round(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Memory?, _ gradients: OutputGradients?
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        var result = CalibrationResult.Matrix(name: matrix.name, methods: [])
        if rounding.damping != GPTQRounding.dampings[0] { result.damping = rounding.damping }
        if let gradients, gradients.weights[matrix.role] != nil {
            result.methods.append(.guidedQuant)
        } else if gradients != nil {
            result.miss(.guidedQuant, "the gradients of its outputs are all zero, or one is no number")
        }
        let losses = lost.map {
            UnsafeBufferPointer(start: $0.floats, count: matrix.columns * matrix.columns)
        }
        if let lost, losses?.allSatisfy(\.isFinite) == true {
            compute.forEachRows(of: matrix.rows) { rows in
                rounding.correct(rows, of: matrix, lost: lost, share: options.gptaq)
            }
            result.methods.append(.gptaq)
        } else if lost != nil {
            result.miss(.gptaq, "what is lost before it is no finite number")
        }
        if options.scales == .importance { result.methods.append(.importance) }
        result.methods.append(.gptq)
        let (yaqa, missing) = gradients.map { outputRounding(matrix, $0) } ?? (nil, nil)
        if let missing { result.miss(.yaqa, missing) }
        if let yaqa {
            result.methods.append(.yaqa)
            try yaqa.round(matrix) { rows throws(CheckpointError) in
                try round(rows, height: 4, of: matrix, by: rounding)
            }
        } else {
            try round(0..<matrix.rows, height: Compute.rowsAtATime, of: matrix, by: rounding)
        }
        result.methods.append(.coordinateDescent)
        return result
    }

    /// Feedback from output to output, or why there is none.
    private func outputRounding(
        _ matrix: CalibratedMatrix, _ gradients: OutputGradients
    ) -> (rounding: YAQARounding?, missing: String?) {
        guard let hessian = gradients.hessians[matrix.role] else {
            return (nil, "it has \(matrix.rows) rows, more than \(OutputGradients.mostRows)")
        }
        do throws(HessianFailure) {
            return (try YAQARounding(hessian, rows: matrix.rows), nil)
        } catch {
            return (nil, error.ofOutputs)
        }
    }

    /// Rounds and encodes some rows of a matrix, `height` at a time.
    private func round(
        _ rows: Range<Int>, height: Int, of matrix: CalibratedMatrix, by rounding: GPTQRounding
    ) throws(CheckpointError) {
        try compute.forEachRows(in: rows, height: height) { rows throws(CheckpointError) in
            do throws(CodecError) {
                try rounding.round(
                    rows, of: matrix, searchesScales: options.scales == .importance, level: compute.level)
            } catch {
                // Blocks are numbered in the order of rounding here.
                throw CheckpointError(
                    .invalidValue, path: matrix.source.path,
                    subject:
                        "tensor '\(matrix.source.tensor)', rows \(rows.lowerBound) to \(rows.upperBound - 1)",
                    "a weight is too large for \(matrix.codec.type), or not a number", advice: matrix.advice)
            }
            try matrix.encode(rows, level: compute.level)
        }
    }
}
