internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor

/// Chooses the codes and scales of a matrix by what is known of its inputs and outputs.
struct MatrixRounding {
    let options: CalibrationOptions
    let form: CalibrationForm
    let compute: Compute
    /// Called after each piece of work with the share of the matrix that it was; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void

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

    /// What the outputs of a matrix lack for what its inputs lack: W C, `[rows, columns]`.
    ///
    /// - Parameter losses: C = Σ (x - x̃) xᵀ.
    /// - Returns: nil where a value is NaN or infinite.
    func lose(_ matrix: CalibratedMatrix, _ losses: Memory) -> Memory? {
        let columns = matrix.columns
        guard compute.areFinite(losses.floats, count: columns * columns) else { return nil }
        let result = Memory(byteCount: 4 * matrix.rows * columns)
        compute.forEachRows(in: 0..<matrix.rows, height: Self.correctedRows) { rows in
            let start = rows.lowerBound * columns
            Compute.addProduct(
                matrix.weights.floats + start, stride: columns, losses.floats, stride: columns,
                into: result.floats + start, stride: columns, rows: rows.count, columns: columns,
                depth: columns)
        }
        return result
    }

    /// Rounds a matrix by the Hessian of its inputs.
    ///
    /// - Parameters:
    ///   - lost: ``lose(_:_:)`` of what its inputs lack; nil where that is not asked for.
    ///   - hasGradients: whether those by its outputs are asked for.
    ///   - gradients: gives them, with output Hessians or without.
    func round(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Memory??,
        hasGradients: Bool, _ gradients: (_ hessians: Bool) throws(CheckpointError) -> OutputGradients?
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        var result = CalibrationResult.Matrix(name: matrix.name, methods: [])
        if rounding.damping != GPTQRounding.dampings[0] { result.damping = rounding.damping }
        if hasGradients {
            if try gradients(false)?.weights != nil {
                result.methods.append(.guidedQuant)
            } else {
                result.miss(.guidedQuant, "the gradients of its outputs are all zero, or one is no number")
            }
        }
        try correct(matrix, by: rounding, lost: lost, &result)
        if options.scales == .importance { result.methods.append(.importance) }
        result.methods.append(.gptq)
        let bands = OutputGradients.bands(form.bands, rows: matrix.rows)
        if hasGradients, options.yaqa, !bands.isEmpty {
            try roundByOutputs(matrix, by: rounding, try gradients(true), &result)
        } else {
            if hasGradients, options.yaqa { result.miss(.yaqa, CalibrationForm.reason) }
            try round(0..<matrix.rows, height: Compute.rowsAtATime, of: matrix, by: rounding)
        }
        if options.coordinateDescent { result.methods.append(.coordinateDescent) }
        return result
    }

    /// Has the weights make up for what the outputs lack.
    private func correct(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Memory??,
        _ result: inout CalibrationResult.Matrix
    ) throws(CheckpointError) {
        switch lost {
        case .some(.some(let lost)):
            compute.forEachRows(in: 0..<matrix.rows, height: Self.correctedRows) { rows in
                rounding.correct(rows, of: matrix, lost: lost, share: options.gptaq)
            }
            result.methods.append(.gptaq)
        case .some(nil): result.miss(.gptaq, "what is lost before it is no finite number")
        case nil:
            if options.comparesInputs { result.miss(.gptaq, CalibrationForm.reason) }
        }
    }

    /// Rounds all rows with feedback from output to output within each band.
    private func roundByOutputs(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, _ gradients: OutputGradients?,
        _ result: inout CalibrationResult.Matrix
    ) throws(CheckpointError) {
        var failures: [String] = []
        let hessians = gradients?.hessians ?? []
        for (band, hessian) in hessians {
            let yaqa = Result { () throws(HessianFailure) in
                try YAQARounding(hessian, rows: band, compute: compute)
            }
            switch yaqa {
            case .success(let yaqa):
                let height = Self.height(rows: band.count)
                try yaqa.round(matrix) { rows throws(CheckpointError) in
                    try round(rows, height: height, of: matrix, by: rounding)
                    try tick(Double(rows.count) / Double(matrix.rows))
                }
            case .failure(let failure):
                failures.append(failure.ofOutputs)
                try round(band, height: Compute.rowsAtATime, of: matrix, by: rounding)
            }
        }
        if failures.count < hessians.count { result.methods.append(.yaqa) }
        if hessians.count > 1 { result.bands = hessians.count }
        if let first = failures.first {
            result.miss(
                .yaqa,
                hessians.count == 1 ? first : "in \(failures.count) of \(hessians.count) bands \(first)")
        }
    }

    /// Rows that a thread rounds at a time where rows of a band take over each other's errors: a quarter of a piece, in
    /// fours.
    static func height(rows: Int) -> Int { max(4, YAQARounding.height(rows: rows) / 16 * 4) }

    /// Rows that a thread corrects at a time: for all of them it reads three matrices of inputs by inputs.
    private static let correctedRows = 128

    /// Rounds and encodes some rows of a matrix, `height` at a time.
    private func round(
        _ rows: Range<Int>, height: Int, of matrix: CalibratedMatrix, by rounding: GPTQRounding
    ) throws(CheckpointError) {
        try compute.forEachRows(in: rows, height: height) { rows throws(CheckpointError) in
            do throws(CodecError) {
                try rounding.round(rows, of: matrix, options, level: compute.level)
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
