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
            try matrix.choose(rows, importance: importance, level: compute.level)
            try matrix.encode(rows, level: compute.level)
        }
        return .init(name: matrix.name, methods: [.importance, .nearest])
    }

    /// Gives each weight the nearest code, with the scales that the codec chooses.
    func roundToNearest(_ matrix: CalibratedMatrix) throws(CheckpointError) {
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try matrix.roundToNearest(rows, level: compute.level)
        }
    }

    /// What the outputs of a matrix lack for what its inputs lack.
    enum Lost {
        /// It does not matter.
        case notAsked
        /// It is not known, for a reason.
        case missing(String)
        /// W C, `[rows, columns]`.
        case outputs(Memory)
    }

    /// What inputs lack, C = Σ (x - x̃) xᵀ.
    enum Losses {
        /// It is not measured.
        case missing
        /// A number is NaN or infinite.
        case notFinite
        /// C, to be multiplied with.
        case panels(FloatPanels)

        /// - Parameter sum: C, `[columns][columns]`, which is taken over.
        init(_ sum: Memory?, columns: Int, compute: Compute) {
            guard let sum else {
                self = .missing
                return
            }
            self =
                compute.areFinite(sum.floats, count: columns * columns)
                ? .panels(FloatPanels(taking: sum, rows: columns, columns: columns, compute: compute))
                : .notFinite
        }
    }

    /// What the outputs of a matrix lack.
    func lose(_ matrix: CalibratedMatrix, _ losses: Losses) -> Lost {
        guard options.comparesInputs else { return .notAsked }
        let columns = matrix.columns
        let panels: FloatPanels
        switch losses {
        case .missing: return .missing(CalibrationForm.reason)
        case .notFinite: return .missing("what is lost before it is no finite number")
        case .panels(let own): panels = own
        }
        let result = Memory(byteCount: 4 * matrix.rows * columns)
        forEachRows(in: 0..<matrix.rows) { rows in
            let start = rows.lowerBound * columns
            Compute.addProduct(
                matrix.weights.floats + start, stride: columns, panels, row: 0, column: 0,
                into: result.floats + start, stride: columns, rows: rows.count, columns: columns,
                depth: columns, level: compute.level)
        }
        return .outputs(result)
    }

    /// Rounds a matrix by the Hessian of its inputs.
    ///
    /// - Parameters:
    ///   - lost: what its outputs lack.
    ///   - weighsTokens: whether tokens weigh by the gradients by its outputs; nil where these are not asked for.
    ///   - outputs: gives its output Hessians.
    func round(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Lost, weighsTokens: Bool?,
        outputs: () throws(CheckpointError) -> [OutputGradients.Hessian]
    ) throws(CheckpointError) -> CalibrationResult.Matrix {
        var result = CalibrationResult.Matrix(name: matrix.name, methods: [])
        if rounding.damping != GPTQRounding.dampings[0] { result.damping = rounding.damping }
        switch weighsTokens {
        case true?: result.methods.append(.guidedQuant)
        case false?:
            result.miss(.guidedQuant, "the gradients of its outputs are all zero, or one is no number")
        case nil: break
        }
        correct(matrix, by: rounding, lost: lost, &result)
        if options.scales == .importance { result.methods.append(.importance) }
        result.methods.append(.gptq)
        let hasFeedback = weighsTokens != nil && options.yaqa
        if hasFeedback, form.bands > 0 {
            try roundByOutputs(matrix, by: rounding, try outputs(), &result)
        } else {
            if hasFeedback { result.miss(.yaqa, CalibrationForm.reason) }
            try round(0..<matrix.rows, of: matrix, by: rounding)
        }
        if options.coordinateDescent { result.methods.append(.coordinateDescent) }
        return result
    }

    /// Has the weights make up for what the outputs lack.
    private func correct(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, lost: Lost,
        _ result: inout CalibrationResult.Matrix
    ) {
        switch lost {
        case .outputs(let lost):
            forEachRows(in: 0..<matrix.rows) { rows in
                rounding.correct(
                    rows, of: matrix, lost: lost, share: options.gptaq, level: compute.level)
            }
            result.methods.append(.gptaq)
        case .missing(let reason): result.miss(.gptaq, reason)
        case .notAsked: break
        }
    }

    /// Rounds all rows with feedback from output to output within each band.
    private func roundByOutputs(
        _ matrix: CalibratedMatrix, by rounding: GPTQRounding, _ hessians: [OutputGradients.Hessian],
        _ result: inout CalibrationResult.Matrix
    ) throws(CheckpointError) {
        var failures: [String] = []
        for (band, hessian) in hessians {
            let yaqa = Result { () throws(HessianFailure) in
                try YAQARounding(hessian, rows: band, compute: compute)
            }
            switch yaqa {
            case .success(let yaqa):
                try yaqa.round(matrix) { rows throws(CheckpointError) in
                    try round(rows, of: matrix, by: rounding)
                    try tick(Double(rows.count) / Double(matrix.rows))
                }
            case .failure(let failure):
                failures.append(failure.ofOutputs)
                try round(band, of: matrix, by: rounding)
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

    /// Rows that a thread works on at a time, at most: for all of them it reads matrices of inputs by inputs.
    static let mostRows = 128

    /// Calls `body` with the shares of all threads, in fours of rows.
    private func forEachRows<Failure: Error>(
        in rows: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        let fours = 4 * compute.workers.count
        let share = (rows.count + fours - 1) / fours * 4
        try compute.forEachRows(in: rows, height: min(Self.mostRows, share), body)
    }

    /// Rounds and encodes some rows of a matrix.
    func round(
        _ rows: Range<Int>, of matrix: CalibratedMatrix, by rounding: GPTQRounding
    ) throws(CheckpointError) {
        try forEachRows(in: rows) { rows throws(CheckpointError) in
            do throws(CodecError) {
                try rounding.round(rows, of: matrix, options, level: compute.level)
            } catch {
                // Blocks are numbered in the order of rounding here.
                throw CheckpointError(
                    .invalidValue, path: matrix.source.path,
                    subject:
                        "tensor '\(matrix.source.tensor)', rows \(matrix.firstRow + rows.lowerBound) to \(matrix.firstRow + rows.upperBound - 1)",
                    "a weight is too large for \(matrix.grid.format), or not a number", advice: matrix.advice)
            }
            try matrix.encode(rows, level: compute.level)
        }
    }
}
