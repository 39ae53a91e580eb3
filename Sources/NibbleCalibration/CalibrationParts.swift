internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

/// The passes of a calibration, and what is between them in scratch files.
struct CalibrationParts {
    private let variants: [QuantizedVariant]
    /// Those matrices whose codes and scales are chosen in any of the quantized models, once each.
    private let calibrated: [PlannedTensor]
    private let plan: CalibrationPlan
    private let gradients: GradientPass
    private let nearest: [NearestPass]
    private let vocabulary: VocabularyRounding
    private let rounding: RoundingPass
    private let survey: CostSurvey
    private let outputs: OutputGradientsFile
    private let sequences: [[Int32]]
    /// How many of the sequences, from the first on, are calibrated on; the others are held out.
    private let calibrating: Int
    private let meter: CalibrationMeter

    /// - Parameters:
    ///   - sequences: those that are calibrated on, then those that are held out.
    init(
        _ calibrator: Calibrator, _ sequences: [[Int32]], calibrating: Int, _ scratch: CalibrationScratch,
        _ variants: [QuantizedVariant], _ meter: CalibrationMeter
    ) throws(CheckpointError) {
        let reference = calibrator.reference
        let calibrated = variants.map(\.matrices).calibratedOnce
        let (shape, compute) = (reference.configuration, reference.compute)
        let length = sequences[0].count
        let (options, plan) = (calibrator.options, calibrator.plan)
        let isKept = options.comparesInputs || calibrating < sequences.count
        let width = shape.embeddingLength
        func streams(
            _ name: CalibrationScratch.Name, of variant: Int = 0, _ features: Int = width,
            count: Int = sequences.count, inMemory levels: Int? = nil
        ) throws(CheckpointError) -> StreamStore {
            if let levels {
                return StreamStore(
                    features: features, length: length, sequences: count, levels: levels, compute: compute)
            }
            return try StreamStore(
                path: scratch.file(name, of: variant), features: features, length: length, sequences: count,
                compute: compute)
        }
        let tick = { (share: Double) throws(CheckpointError) in try meter.advance(share) }
        let atATime = Calibrator.sequencesAtATime(length: length)
        gradients = GradientPass(
            reference: reference, matrices: variants[0].matrices,
            batches: SequenceBatches(
                sequences: Array(sequences[..<calibrating]), atATime: atATime, tick: tick),
            streams: try streams(.streams, count: calibrating),
            gradients: try streams(.gradients, count: calibrating), keepsGradients: plan.observesAgain)
        let heldOut = Array(sequences[calibrating...])
        let nearestStreams = try streams(.nearest, count: heldOut.count)
        nearest = variants.map { variant in
            NearestPass(
                reference: reference, matrices: variant.matrices,
                batches: SequenceBatches(
                    sequences: heldOut, atATime: atATime,
                    tick: { share throws(CheckpointError) in
                        // It tells of each block, and is half of what measuring is.
                        try meter.advance(share / Double(2 * variants.count * (shape.layerCount + 1)))
                    }),
                streams: nearestStreams)
        }
        vocabulary = VocabularyRounding(
            gradients: gradients, variants: variants, options: options,
            states: try ScratchFile(path: scratch.file(.states)),
            tick: tick)
        let outputs = try OutputGradientsFile(
            path: scratch.file(.outputs), calibrated.map { ($0.role, plan.bands($0)) },
            tokens: calibrating * length, isOfOneBlock: plan.observesAgain, compute: compute)
        let pair = plan.holdsStreams ? 2 : nil
        var rounded: [PairedStreams.Rounded] = []
        for variant in variants.indices where isKept {
            var inputs: [Sublayer: StreamStore] = [:]
            for sublayer in Sublayer.allCases {
                inputs[sublayer] = try streams(
                    .inputs(of: sublayer), of: variant, sublayer.last.width(in: shape),
                    inMemory: plan.holdsStreams ? 1 : nil)
            }
            rounded.append(
                .init(streams: try streams(.rounded, of: variant, inMemory: pair), inputs: inputs))
        }
        rounding = RoundingPass(
            variants: variants, options: options, plan: plan,
            streams: PairedStreams(
                reference: reference, count: sequences.count, exact: try streams(.exact, inMemory: pair),
                rounded: rounded),
            calibrating: calibrating,
            outputs: options.differentiates ? outputs : nil, journal: scratch.journal,
            tick: tick)
        survey = CostSurvey(
            gradients: gradients, matrices: variants[0].matrices, options: options, outputs: outputs,
            candidates: calibrator.candidates,
            tick: tick)
        self.variants = variants
        self.calibrated = calibrated
        self.plan = plan
        self.outputs = outputs
        self.sequences = sequences
        self.calibrating = calibrating
        self.meter = meter
    }

    /// Brings the streams to where the steps that an earlier process has done left them, if they are not there.
    ///
    /// - Parameter records: of these steps.
    func recover(_ steps: ArraySlice<CalibrationStep>, _ records: [CalibrationRecord]) throws(CheckpointError)
    {
        guard let embedded = steps.firstIndex(of: .embed) else { return }
        if records[embedded].keepsStreams, rounding.streams.exact.outlivesProcess { return }
        try embed()
        for case .round(let sublayer, let layer) in steps { try rounding.pass(sublayer, of: layer) }
    }

    /// Does a step; returns what there is to remember of it.
    func run(_ step: CalibrationStep) throws(CheckpointError) -> CalibrationRecord {
        var record = CalibrationRecord(step: step.description)
        // Each has use for buffers of other sizes.
        defer { rounding.streams.reference.compute.pool.releaseIdle() }
        switch step {
        case .embedForGradients: try gradients.embed()
        case .advance(let layer): try gradients.advance(through: layer)
        case .differentiate: try differentiate()
        case .retreat(let layer): try retreat(through: layer, observes: !plan.observesAgain)
        case .observe(let layer): try retreat(through: layer, observes: true, keeps: false)
        case .survey(let layer): record.costs = try survey.survey(layer)
        case .surveyVocabulary:
            record.costs = try survey.surveyVocabulary { role throws(CheckpointError) in
                try vocabulary.hessian(of: role, isCost: true)
            }
        case .roundVocabulary: record.sublayer = try vocabulary.round()
        case .embed:
            try embed()
            record.keepsStreams = rounding.streams.exact.outlivesProcess
        case .round(let sublayer, let layer):
            record.sublayer = try rounding.round(sublayer, of: layer)
            meter.rounded(record.sublayer?.errors.max())
        case .measure:
            for variant in variants.indices { record.scores.append(try measure(variant)) }
        }
        return record
    }

    private func differentiate() throws(CheckpointError) {
        guard variants.contains(where: { !$0.matrices.vocabulary.isEmpty }) else {
            return try gradients.differentiate()
        }
        let width = gradients.reference.configuration.embeddingLength
        let head = Memory(byteCount: 4 * width * width)
        try gradients.differentiate(head: head)
        try vocabulary.keep(head)
    }

    /// Passes gradients back through a block.
    ///
    /// - Parameter observes: whether what they say of its matrices is kept.
    private func retreat(through layer: Int, observes: Bool, keeps: Bool = true) throws(CheckpointError) {
        var bands: [TensorRole: [Range<Int>]] = [:]
        for matrix in calibrated where observes && matrix.role.layer == layer {
            bands[matrix.role] = plan.bands(matrix)
        }
        for (role, seen) in try gradients.retreat(through: layer, bands: bands, keeps: keeps) {
            try outputs.write(seen, of: role)
        }
    }

    private func embed() throws(CheckpointError) {
        try rounding.streams.embed(sequences) { variant throws(CheckpointError) in
            try calibratedVocabulary(variant)
        }
    }

    /// A quantized model with the vocabulary's matrices as they will be.
    private func calibratedVocabulary(_ index: Int) throws(CheckpointError) -> LanguageModel {
        let variant = variants[index]
        return try variant.matrices.roundVocabulary(of: rounding.streams.reference) {
            tensor throws(CheckpointError) in
            guard let digest = rounding.journal.digest(of: tensor.name, variant: index) else { return nil }
            return try variant.rows.read(tensor, digest: digest)
        }
    }

    private func measure(_ variant: Int) throws(CheckpointError) -> CalibrationScores {
        let reference = rounding.streams.reference
        let level = PairedStreams.level(Sublayer.allCases[0], of: reference.configuration.layerCount)
        let (nearest, streams, first) = (nearest[variant], rounding.streams, calibrating)
        try nearest.run()
        return try HeldOutMeasurement(
            reference: reference, rounded: try variants[variant].matrices.roundVocabulary(of: reference),
            calibrated: try calibratedVocabulary(variant),
            sequences: nearest.batches.sequences,
            streams: { state, chunks throws(CheckpointError) in
                let own = first + chunks.lowerBound..<first + chunks.upperBound
                return switch state {
                case .source: try streams.exact.read(level: level, own)
                case .rounded: try nearest.streams.read(chunks)
                case .calibrated: try streams.rounded[variant].streams.read(level: level, own)
                }
            }
        ).run()
    }
}
