internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

/// What the steps of a calibration come to in seconds, from shapes and the rates of this machine.
struct CalibrationWork {
    let options: CalibrationOptions
    /// Of each quantized model.
    let matrices: [QuantizedMatrices]
    let plan: CalibrationPlan
    let shape: ModelConfiguration
    /// Tokens that are calibrated on.
    let tokens: Int
    /// Tokens that only go along.
    let heldOut: Int
    /// Types whose costs are measured.
    var candidates = 0
    let rates: CalibrationRates

    /// Seconds of a step.
    func seconds(_ step: CalibrationStep) -> Double {
        let block = 2 * Double(Sublayer.weightCount(in: shape))
        switch step {
        case .embedForGradients: return 0
        case .embed:
            return Double(matrices.count * shape.vocabularySize * shape.embeddingLength) / rates.encoding
        case .advance: return Double(tokens) * block / rates.products
        case .differentiate:
            // Logits; of their gradients a part is nearly nothing.
            let head = 2 * Double(shape.vocabularySize * shape.embeddingLength)
            return Double(tokens) * 1.5 * head / rates.products
        case .retreat(let layer):
            return Double(tokens) * 2 * block / rates.products
                + (plan.observesAgain ? 0 : outputs(layer))
        case .observe(let layer):
            return Double(tokens) * 2 * block / rates.products + outputs(layer)
        case .survey(let layer):
            return Double(tokens) * block / rates.products
                + matrices[0].calibrated.reduce(0) {
                    $0 + ($1.role.layer == layer ? survey($1, rows: CostSurvey.rows) : 0)
                }
        case .surveyVocabulary:
            return matrices[0].vocabulary.reduce(0) { $0 + survey($1, rows: CostSurvey.tokens) }
        case .roundVocabulary:
            return matrices.flatMap(\.vocabulary).reduce(0) { sum, tensor in
                let size = Double(tensor.rows * tensor.columns)
                let square = size * Double(tensor.columns)
                return sum + size / rates.rounding
                    + square * (options.coordinateDescent ? 7 : 1) / rates.floats
            }
        case .round(let sublayer, let layer): return rounding(sublayer, layer)
        case .measure:
            let head = 5 * Double(heldOut) * Double(shape.vocabularySize * shape.embeddingLength)
            let blocks = Double(heldOut * shape.layerCount) * block
            let weights = matrices.flatMap(\.tensors).reduce(0) { $0 + Double($1.rows * $1.columns) }
            return Double(matrices.count) * (head + blocks) / rates.products + weights / rates.encoding
        }
    }

    /// Measuring what types cost a matrix.
    private func survey(_ tensor: PlannedTensor, rows: Int) -> Double {
        let (columns, rows) = (Double(tensor.columns), Double(min(rows, tensor.rows)))
        let square = columns * columns
        // A factor for each size of blocks; rounding, descent and what errors come to for each type.
        let operations = columns * square + Double(candidates) * 10 * rows * square
        let grams = tensor.role.layer == nil ? 0 : square * Double(tokens)
        return grams / rates.grams + operations / rates.floats
            + Double(candidates) * rows * columns / rates.rounding
    }

    /// Output Hessians of a block.
    private func outputs(_ layer: Int) -> Double {
        matrices.calibratedOnce.reduce(0) { sum, tensor in
            guard tensor.role.layer == layer else { return sum }
            let squares = plan.bands(tensor).reduce(0.0) { $0 + Double($1.count * $1.count) }
            return sum + Double(tokens) * squares / rates.grams
        }
    }

    private func rounding(_ sublayer: Sublayer, _ layer: Int) -> Double {
        var seconds = 0.0
        let compares = options.comparesInputs || heldOut > 0
        for group in sublayer.groups {
            let width = Double(group.width(in: shape))
            let square = width * width * Double(tokens)
            for kind in group.kinds {
                let role = TensorRole(kind, layer: layer)
                let planned = matrices.compactMap { $0[role] }
                guard let first = planned.first else { continue }
                // Through the unquantized model, and all others.
                let size = Double(first.rows * first.columns)
                let models = Double(1 + (compares ? matrices.count : 0))
                seconds += Double(tokens + heldOut) * 2 * size * models / rates.products
                let own = matrices.flatMap { $0.calibrated.filter { $0.role == role } }
                guard !own.isEmpty else { continue }
                let form = plan.form(role)
                let isCompared = options.comparesInputs && form.comparesInputs
                seconds += Double(own.count) * size / rates.rounding
                guard options.method != .nearest else { continue }
                let grams = isCompared ? 1 + 2 * Double(own.count) : 1
                if options.differentiates || kind == group.kinds[0] {
                    seconds += grams * square / rates.grams
                }
                seconds +=
                    Double(own.count) * operations(first, form, isCompared: isCompared) / rates.floats
            }
        }
        return seconds
    }

    /// Operations on floats that rounding a matrix takes.
    private func operations(_ tensor: PlannedTensor, _ form: CalibrationForm, isCompared: Bool) -> Double {
        let (rows, columns) = (Double(tensor.rows), Double(tensor.columns))
        let square = rows * columns * columns
        let bands = plan.bands(tensor)
        let outputs = options.yaqa && options.differentiates ? bands.map { Double($0.count) } : []
        return columns * columns * columns / 3 + (isCompared ? 4 * square : 0) + square
            + (options.coordinateDescent ? 6 * square : 0)
            + outputs.reduce(0) { $0 + $1 * $1 * $1 / 3 + $1 * $1 * columns }
    }
}
