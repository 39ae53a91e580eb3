package import NibbleCheckpoint
package import NibbleModel
package import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Rounds the matrices of a model by what a calibration text says of them, to one or more quantized models at a time.
///
/// With GPTQ the text passes through the unquantized model a sublayer at a time, whose matrices are rounded by their
/// Hessians before the next is looked at; where GPTAQ is asked for the quantized models go along. What is known of the
/// unquantized model, gradients and Hessians, serves all of them. docs/design/
/// 0013-calibration.md tells why each part is there.
///
/// Weights come from their source a sublayer at a time and leave as encoded rows; what grows with the number of blocks
/// or sequences is in scratch files. So memory does not grow with either.
package struct Calibrator {
    /// The unquantized model.
    let reference: LanguageModel
    /// What is rounded, of each quantized model.
    let matrices: [QuantizedMatrices]
    /// How. ``CalibrationOptions/Method/automatic`` is GPTQ here.
    let options: CalibrationOptions
    /// What is held and what is in scratch files, and in which form dear steps are done.
    let plan: CalibrationPlan
    /// The types whose costs are measured before anything is rounded; none where types are known.
    let candidates: [GGMLType]

    /// Tokens that pass through a model together, or one sequence where that is longer.
    package static let tokensAtATime = 1024

    /// Sequences of `length` tokens that pass through a model together.
    package static func sequencesAtATime(length: Int) -> Int { max(1, tokensAtATime / length) }

    /// Creates a calibrator.
    ///
    /// - Parameter matrices: of one quantized model or more, with the same weights.
    package init(
        reference: LanguageModel, matrices: [QuantizedMatrices], options: CalibrationOptions,
        plan: CalibrationPlan, candidates: [GGMLType] = []
    ) {
        self.reference = reference
        self.matrices = matrices
        self.options = options
        self.plan = plan
        self.candidates = candidates
    }

    /// Rounds all matrices, or goes on with what an earlier process has done in `scratch`.
    ///
    /// - Parameters:
    ///   - sequences: what is calibrated on, of equal length.
    ///   - heldOut: sequences of the same length on which the result is measured; none where that is not asked for.
    ///   - progress: called after every piece of work.
    ///   - isCancelled: asked after every piece of work.
    /// - Returns: what became of each quantized model.
    /// - Throws: `CheckpointError` where a weight is no number or a model gives none, or the scratch cannot be written;
    ///   `cancelled` where `isCancelled` said so.
    package func run(
        _ sequences: [[Int32]], heldOut: [[Int32]] = [], scratch: CalibrationScratch,
        progress: (PreparationProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(CheckpointError) -> [CalibratedMatrices] {
        let variants = try perform(sequences, heldOut, scratch, through: nil, progress, isCancelled)
        return variants.enumerated().map { index, variant in
            CalibratedMatrices(
                scratch.journal.records, variant: index, outside: outside(variant.matrices),
                rows: variant.rows, tokens: sequences.reduce(0) { $0 + $1.count })
        }
    }

    /// Measures what each of ``candidates`` costs each matrix, and rounds none: for a calibrator of the types that are
    /// chosen, with the same plan, candidates and scratch, to go on with.
    func survey(
        _ sequences: [[Int32]], heldOut: [[Int32]], scratch: CalibrationScratch,
        progress: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws(CheckpointError) -> [MatrixCosts] {
        precondition(!candidates.isEmpty && options.differentiates, "nothing to choose among")
        _ = try perform(sequences, heldOut, scratch, through: .surveyVocabulary, progress, isCancelled)
        return scratch.journal.records.flatMap(\.costs)
    }

    /// Does what is to be done up to a step, or all of it.
    private func perform(
        _ sequences: [[Int32]], _ heldOut: [[Int32]], _ scratch: CalibrationScratch,
        through last: CalibrationStep?, _ progress: (PreparationProgress) -> Void,
        _ isCancelled: () -> Bool
    ) throws(CheckpointError) -> [QuantizedVariant] {
        precondition(!sequences.isEmpty, "no sequences")
        // Neither is called after the call.
        return try withoutActuallyEscaping(progress) { progress throws(CheckpointError) in
            try withoutActuallyEscaping(isCancelled) { isCancelled throws(CheckpointError) in
                let steps = steps(measures: !heldOut.isEmpty)
                let length = sequences[0].count
                let work = CalibrationWork(
                    options: options, matrices: matrices, plan: plan, shape: reference.configuration,
                    tokens: sequences.count * length, heldOut: heldOut.count * length,
                    candidates: candidates.count,
                    rates: .nominal(hasTiles: reference.compute.hasTiles))
                let meter = CalibrationMeter(
                    steps, seconds: work.seconds, layers: reference.configuration.layerCount,
                    rows: matrices.flatMap(\.vocabulary).reduce(0) { $0 + $1.rows },
                    tokens: sequences.count * length,
                    path: scratch.path, report: progress,
                    isCancelled: isCancelled)
                let end = last.flatMap { steps.firstIndex(of: $0) } ?? steps.count - 1
                return try perform(steps, through: end, sequences, heldOut, scratch, meter)
            }
        }
    }

    /// Whether the vocabulary's matrices are rounded by what gradients say.
    private var roundsVocabulary: Bool {
        options.differentiates && matrices.contains { !$0.vocabulary.isEmpty }
    }

    /// What happens to the vocabulary's matrices of a quantized model where they are not.
    private func outside(_ matrices: QuantizedMatrices) -> [CalibrationResult.Matrix] {
        guard !roundsVocabulary else { return [] }
        let names = matrices.vocabulary.map(\.name)
        guard options.method == .gptq || options.scales == .importance else {
            return names.map { .init(name: $0, methods: [.nearest]) }
        }
        return CalibrationResult(
            names, without: options.method == .gptq ? .gptq : .importance,
            "what its errors cost is known by the gradients of guidedquant alone"
        ).matrices
    }

    func steps(measures: Bool) -> [CalibrationStep] {
        .all(
            layers: reference.configuration.layerCount, differentiates: options.differentiates,
            observesAgain: plan.observesAgain, surveys: !candidates.isEmpty,
            roundsVocabulary: roundsVocabulary, measures: measures)
    }

    private func perform(
        _ steps: [CalibrationStep], through end: Int, _ sequences: [[Int32]], _ heldOut: [[Int32]],
        _ scratch: CalibrationScratch, _ meter: CalibrationMeter
    ) throws(CheckpointError) -> [QuantizedVariant] {
        var variants: [QuantizedVariant] = []
        for (index, matrices) in matrices.enumerated() {
            let rows = try EncodedRowsFile(
                path: scratch.file(.rows, of: index), matrices.calibrated + matrices.vocabulary,
                compute: reference.compute)
            variants.append(QuantizedVariant(matrices: matrices, rows: rows))
        }
        let parts = try CalibrationParts(
            self, sequences + heldOut, calibrating: sequences.count, scratch, variants, meter)
        let done = scratch.journal.records
        for (index, step) in steps.prefix(done.count).enumerated() {
            try scratch.journal.check(step, at: index)
        }
        meter.begin(min(done.count, steps.count - 1))
        guard done.count <= end else { return variants }
        try parts.recover(steps.prefix(done.count), done)
        for index in done.count...end {
            meter.begin(index)
            try scratch.journal.append(try parts.run(steps[index]))
        }
        return variants
    }
}
