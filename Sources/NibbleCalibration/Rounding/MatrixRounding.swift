internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor

/// What is known of the inputs and outputs of a matrix when its codes and scales are chosen.
struct MatrixRounding {
    let options: CalibrationOptions
    let compute: Compute

    /// Chooses scales, columns weighted by the mean squares of their inputs; each weight then gets the nearest code.
    func searchScales(
        _ matrix: CalibratedMatrix, importance: [Float]
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try matrix.searchScales(rows, importance: importance, level: compute.level)
            try matrix.encode(rows, level: compute.level)
        }
        return .init(name: matrix.name, methods: [.importance, .nearest])
    }

    /// Gives each weight the nearest code, with the scales that the codec chooses.
    func roundToNearest(_ matrix: CalibratedMatrix) throws(CheckpointError) {
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try matrix.encode(rows, level: compute.level)
        }
    }

    /// Rounds a matrix by the Hessian of its inputs.
    ///
    /// - Parameters:
    ///   - lost: what its inputs lack in the quantized model, Σ (x - x̃) xᵀ; nil where that is not asked for.
    ///   - gradients: those by its outputs; nil where they are not asked for.
    func round(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Memory?, _ gradients: OutputGradients?
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        var result = CalibrationResult.Matrix(name: matrix.name, methods: [])
        if rounding.damping != GPTQRounding.dampings[0] { result.damping = rounding.damping }
        if let gradients, gradients.weights != nil {
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
        guard let hessian = gradients.hessian else {
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
