package import NibbleCheckpoint
internal import NibbleQuantization
package import NibbleTensor

/// How a calibration is done in the memory that there is: what is held and what is in scratch files, and the form of the
/// dear steps of the method.
package struct CalibrationPlan: Sendable, Equatable {
    /// By what matrices are for.
    let forms: [TensorRole.Kind: CalibrationForm]
    /// Whether what gradients say of the matrices of a block is found anew when these are rounded, rather than kept for all
    /// blocks: what takes less scratch space.
    let observesAgain: Bool
    /// Whether memory holds the residual streams of all sequences while matrices are rounded.
    package let holdsStreams: Bool
    /// Most memory that is held at a time, in bytes, with what is held already.
    package let memory: Int
    /// Bytes of the scratch files.
    package let scratch: Int

    /// Plans a calibration.
    ///
    /// - Parameters:
    ///   - matrices: that are rounded, of each quantized model.
    ///   - sequences: that are calibrated on.
    ///   - heldOut: those that only go along.
    ///   - length: tokens of a sequence.
    ///   - holdsVocabulary: whether a rounded copy of the vocabulary's matrices is made for it.
    ///   - surveys: whether what types cost is measured first.
    ///   - held: memory that is held already and beside it, in bytes.
    ///   - limit: memory that may be used, in bytes. ``memory`` is above it where even the cheapest forms need more.
    package init(
        _ options: CalibrationOptions, _ matrices: [QuantizedMatrices], in shape: ModelConfiguration,
        sequences: Int, heldOut: Int, length: Int, holdsVocabulary: Bool, surveys: Bool = false,
        compute: Compute, held: Int, limit: Int
    ) {
        let costs = CalibrationMemory(
            options, matrices, shape, length: length, holdsVocabulary: holdsVocabulary, surveys: surveys,
            compute: compute)
        var forms: [TensorRole.Kind: CalibrationForm] = [:]
        for kind in costs.kinds { forms[kind] = CalibrationForm() }
        // What takes most gives way first.
        while held + costs.peak(forms) > limit, let (kind, form) = costs.cheaper(forms) { forms[kind] = form }
        self.forms = forms
        let kept = costs.files(forms, sequences: sequences, heldOut: heldOut, observesAgain: false)
        let again = costs.files(forms, sequences: sequences, heldOut: heldOut, observesAgain: true)
        // The way back once more takes its time.
        observesAgain = 2 * again < kept
        let streams = (sequences + heldOut) * costs.streams
        // What is held while these are.
        let beside = max(costs.rounding(forms), observesAgain ? costs.wayBack(forms) : 0)
        holdsStreams = held + max(costs.peak(forms), beside + streams) <= limit
        memory = held + max(costs.peak(forms), beside + (holdsStreams ? streams : 0))
        scratch = (observesAgain ? again : kept) + (holdsStreams ? 0 : streams)
    }

    /// A plan that is decided.
    init(forms: [TensorRole.Kind: CalibrationForm] = [:], observesAgain: Bool, holdsStreams: Bool) {
        self.forms = forms
        self.observesAgain = observesAgain
        self.holdsStreams = holdsStreams
        (memory, scratch) = (0, 0)
    }

    /// The form for a matrix.
    func form(_ role: TensorRole) -> CalibrationForm { forms[role.kind] ?? CalibrationForm() }

    /// The bands of rows that the output Hessians of a matrix are of.
    func bands(_ tensor: PlannedTensor) -> [Range<Int>] {
        OutputGradients.bands(form(tensor.role).bands, rows: tensor.rows)
    }

    /// What of it the bytes of a result, or of scratch files, depend on.
    package var identity: String {
        (restrictions + [observesAgain ? "observed again" : "kept"]).joined(separator: "; ")
    }

    /// The forms that are not whole, in words: `feedForwardGate: 4 bands`; empty where all are.
    package var restrictions: [String] {
        forms.sorted { $0.key.rawValue < $1.key.rawValue }.compactMap { kind, form in
            guard form != CalibrationForm() else { return nil }
            let parts =
                (form.bands == 0
                    ? ["no yaqa"] : form.bands > 1 ? ["yaqa in \(form.bands) bands of rows"] : [])
                + (form.comparesInputs ? [] : ["no gptaq"])
            return "\(kind.rawValue): " + parts.joined(separator: ", ")
        }
    }
}
