internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Measures what rounding each matrix to each type costs: some of its rows are rounded as they will be, by the Hessian of its
/// inputs (``GPTQRounding``), and their errors weighed by what gradients say of its outputs.
///
/// With gradients g by the outputs of a matrix, of the mean loss over N tokens, errors E bring a mean divergence of about
/// N/2 Σ (g · E x)² over all tokens (``OutputGradients``). Taken apart into outputs and inputs that is
///
///     N/2 · c · Σᵣ Γᵣ eᵣ A eᵣᵀ,   Γᵣ = Σ gᵣ² / |g|,   A = Σ |g| / m x xᵀ,   c = Σ |g|² m / (Σ |g|)²
///
/// with m the mean of |g|, and errors of different rows that have nothing to do with each other. YAQA and GPTAQ, which gain
/// about the same with every type, are left out.
struct CostSurvey {
    let gradients: GradientPass
    let matrices: QuantizedMatrices
    let options: CalibrationOptions
    let outputs: OutputGradientsFile
    /// The types to choose among.
    let candidates: [GGMLType]
    /// Called after each piece of work with the share of it that is done; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void

    private var reference: LanguageModel { gradients.reference }
    private var compute: Compute { reference.compute }
    /// Tokens that the loss counts.
    private var tokens: Int { gradients.sequences.count * (gradients.sequences[0].count - 1) }

    /// Rows of a matrix that are rounded.
    static let rows = 64
    /// Tokens whose rows are, of the vocabulary's matrices.
    static let tokens = 256

    /// The costs of the matrices of a block.
    func survey(_ layer: Int) throws(CheckpointError) -> [MatrixCosts] {
        var hessians = try hessians(layer)
        let own = matrices.calibrated.filter { $0.role.layer == layer }
        var result: [MatrixCosts] = []
        for tensor in own {
            guard let hessian = hessians.removeValue(forKey: tensor.role) else { continue }
            let rows = Self.spread(Self.rows, of: tensor.rows)
            let (weights, scale) = try importance(of: tensor, rows)
            result.append(try costs(of: tensor, rows, weights: weights, scale: scale, hessian))
            try tick(0.5 / Double(own.count))
        }
        return result
    }

    /// The costs of the vocabulary's matrices.
    ///
    /// - Parameter hessian: gives what errors of their rows cost together, of a tensor.
    func surveyVocabulary(
        hessian: (TensorRole) throws(CheckpointError) -> Memory
    ) throws(CheckpointError) -> [MatrixCosts] {
        let all = gradients.sequences
        let length = all[0].count
        let rows = Self.spread(Self.tokens, of: all.count * length).map {
            Int(all[$0 / length][$0 % length])
        }
        var result: [MatrixCosts] = []
        for tensor in matrices.vocabulary {
            result.append(
                try costs(
                    of: tensor, rows, weights: Array(repeating: 1, count: rows.count),
                    scale: 0.5 / Double(tokens), try hessian(tensor.role)))
            try tick(1 / Double(matrices.vocabulary.count))
        }
        return result
    }

    /// `count` numbers below `limit`, or all of them, evenly spread.
    private static func spread(_ count: Int, of limit: Int) -> [Int] {
        let count = min(count, limit)
        return (0..<count).map { (2 * $0 + 1) * limit / (2 * count) }
    }

    /// The input Hessians of the matrices of a block.
    private func hessians(_ layer: Int) throws(CheckpointError) -> [TensorRole: Memory] {
        var weights: [TensorRole: [Float]] = [:]
        let own = Set(matrices.calibrated.map(\.role))
        let groups = Sublayer.inputGroups.map { group in
            (
                group: group,
                roles: group.kinds.map { TensorRole($0, layer: layer) }.filter { own.contains($0) }
            )
        }
        for role in groups.flatMap(\.roles) { weights[role] = try outputs.weights(role) }
        var sums = groups.filter { !$0.roles.isEmpty }.map { group, roles in
            (group: group, sum: InputHessians(roles, compared: [], weights: weights, compute: compute))
        }
        let count = gradients.sequences.count
        for index in 0..<count {
            var stream = try gradients.streams.read(level: layer, index..<index + 1)
            for sublayer in Sublayer.allCases {
                for place in sums.indices where sums[place].group.sublayer == sublayer {
                    sums[place].sum.add(
                        reference.input(of: sums[place].group, layer: layer, stream), index: index)
                }
                stream = reference.advance(stream, through: sublayer, of: layer)
            }
            try tick(0.5 / Double(count))
        }
        var result: [TensorRole: Memory] = [:]
        for place in sums.indices {
            let group = sums[place].group
            sums[place].sum.complete(columns: group.width(in: reference.configuration))
            for kind in group.kinds {
                let role = TensorRole(kind, layer: layer)
                guard own.contains(role) else { continue }
                result[role] = sums[place].sum.hessian(role, isLast: true)
            }
        }
        compute.pool.releaseIdle()
        return result
    }

    /// Γ of some rows of a matrix, and what the mean of their weighed errors is multiplied with for all of it.
    private func importance(
        of tensor: PlannedTensor, _ rows: [Int]
    ) throws(CheckpointError) -> (weights: [Double], scale: Double) {
        let squares = try outputs.squares(tensor.role)
        let sizes = squares.map { Double($0).squareRoot() }
        let (sum, square) = (sizes.reduce(0, +), squares.reduce(0) { $0 + Double($1) })
        var gammas = [Double](repeating: sum / Double(tensor.rows), count: tensor.rows)
        for (band, hessian) in try outputs.hessians(tensor.role) {
            for row in 0..<band.count {
                gammas[band.lowerBound + row] = Double(hessian.floats[row * band.count + row])
            }
        }
        let mean = sum / Double(max(sizes.count, 1))
        guard sum > 0, sum.isFinite else { return (rows.map { _ in 0 }, 0) }
        let c = square * mean / (sum * sum)
        let weights = rows.map { gammas[$0] }
        // All rows of those that were looked at.
        let share = gammas.reduce(0, +) / max(weights.reduce(0, +), .leastNormalMagnitude)
        return (weights, 0.5 * Double(tokens) * c * share * Double(rows.count))
    }

    /// The costs of a matrix: `scale` times the mean over some rows of their errors by a Hessian, each by its weight.
    private func costs(
        of tensor: PlannedTensor, _ rows: [Int], weights: [Double], scale: Double, _ hessian: Memory
    ) throws(CheckpointError) -> MatrixCosts {
        var result = MatrixCosts(name: tensor.name)
        let columns = tensor.columns
        let original = Memory(byteCount: 4 * rows.count * columns)
        for (index, row) in rows.enumerated() {
            try matrices.weights.load(
                row..<row + 1, of: tensor, into: original.floats(index..<index + 1, of: columns))
        }
        let grids = candidates.compactMap { WeightGrid(.ggml($0), columns: columns) }
        for (size, grids) in Dictionary(grouping: grids, by: \.blockSize).sorted(by: { $0.key < $1.key }) {
            // Where it has none, all weights keep the nearest codes, of which nothing is known.
            guard
                let factor = try? GPTQRounding(
                    hessian.copy(), columns: columns, blockSizes: [size], compute: compute)
            else { continue }
            for grid in grids {
                let errors = try errors(of: tensor, rows, original, grid: grid, by: factor)
                guard let type = grid.format.ggmlType else { continue }
                let sum = zip(errors, weights).reduce(0) { $0 + Double($1.0) * $1.1 }
                let cost = scale * sum / Double(max(rows.count, 1))
                // One that is no number says nothing.
                if cost.isFinite { result.costs[type] = cost }
            }
        }
        return result
    }

    /// e A eᵀ of rows that are rounded to a type.
    private func errors(
        of tensor: PlannedTensor, _ rows: [Int], _ original: Memory, grid: WeightGrid,
        by factor: GPTQRounding
    ) throws(CheckpointError) -> [Float] {
        let columns = tensor.columns
        let matrix = CalibratedMatrix(
            role: tensor.role, name: tensor.name, source: tensor.place, rows: rows.count, grid: grid,
            advice: matrices.advice(tensor.name))
        matrix.weights.bytes.copyMemory(from: UnsafeRawBufferPointer(original.bytes))
        try MatrixRounding(
            options: options, form: CalibrationForm(), compute: compute, tick: { _ in }
        ).round(0..<rows.count, of: matrix, by: factor)
        let errors = matrix.weights
        for index in 0..<rows.count * columns {
            errors.floats[index] = original.floats[index] - errors.floats[index]
        }
        return factor.squares(of: errors, rows: rows.count, compute)
    }
}
