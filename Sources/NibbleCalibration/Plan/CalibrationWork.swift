internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

/// What the steps of a calibration come to in seconds, from shapes and the rates of this machine.
struct CalibrationWork {
    let options: CalibrationOptions
    let matrices: QuantizedMatrices
    let plan: CalibrationPlan
    let shape: ModelConfiguration
    /// Tokens that are calibrated on.
    let tokens: Int
    /// Tokens that only go along.
    let heldOut: Int
    let rates: CalibrationRates

    /// Seconds of a step.
    func seconds(_ step: CalibrationStep) -> Double {
        let (all, block) = (Double(tokens + heldOut), 2 * Double(Sublayer.weightCount(in: shape)))
        switch step {
        case .embedNearest, .embed:
            return Double(shape.vocabularySize * shape.embeddingLength) / rates.encoding
        case .advance(let layer):
            return encoding(layer) + all * block / rates.products
        case .differentiate:
            // Logits; of their gradients a part is nearly nothing.
            let head = 2 * Double(shape.vocabularySize * shape.embeddingLength)
            return Double(tokens) * 1.5 * head / rates.products
        case .retreat(let layer):
            return encoding(layer) + Double(tokens) * 2 * block / rates.products
                + (plan.observesAgain ? 0 : outputs(layer))
        case .observe(let layer):
            return encoding(layer) + Double(tokens) * 2 * block / rates.products + outputs(layer)
        case .roundVocabulary:
            return matrices.vocabulary.reduce(0) { sum, tensor in
                let size = Double(tensor.rows * tensor.columns)
                let square = size * Double(tensor.columns)
                return sum + size / rates.rounding
                    + square * (options.coordinateDescent ? 7 : 1) / rates.floats
            }
        case .round(let sublayer, let layer): return rounding(sublayer, layer)
        case .measure:
            return 5 * Double(heldOut) / 2 * 2 * Double(shape.vocabularySize * shape.embeddingLength)
                / rates.products
        }
    }

    /// Rounding the matrices of a block to nearest.
    private func encoding(_ layer: Int) -> Double {
        matrices.tensors.reduce(0) {
            $0 + ($1.role.layer == layer ? Double($1.rows * $1.columns) / rates.encoding : 0)
        }
    }

    /// Output Hessians of a block.
    private func outputs(_ layer: Int) -> Double {
        matrices.calibrated.reduce(0) { sum, tensor in
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
            for kind in group.kinds {
                let role = TensorRole(kind, layer: layer)
                guard let tensor = matrices[role] else { continue }
                let size = Double(tensor.rows * tensor.columns)
                // Through both models.
                seconds += Double(tokens + heldOut) * 2 * size * (compares ? 2 : 1) / rates.products
                guard matrices.calibrated.contains(where: { $0.role == role }) else { continue }
                let form = plan.form(role)
                let isCompared = options.comparesInputs && form.comparesInputs
                if options.method != .nearest {
                    let grams = (isCompared ? 3 : 1) * width * width * Double(tokens)
                    if options.differentiates || kind == group.kinds[0] { seconds += grams / rates.grams }
                    seconds += operations(tensor, form, isCompared: isCompared) / rates.floats
                }
                seconds += size / rates.rounding
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
