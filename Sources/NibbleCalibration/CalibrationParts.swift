internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

/// The passes of a calibration, and what is between them in scratch files.
struct CalibrationParts {
    private let matrices: QuantizedMatrices
    private let plan: CalibrationPlan
    private let nearest: NearestPass
    private let vocabulary: VocabularyRounding
    private let rounding: RoundingPass
    private let outputs: OutputGradientsFile
    private let sequences: [[Int32]]
    /// How many of the sequences, from the first on, are calibrated on; the others are held out.
    private let calibrating: Int
    private let meter: CalibrationMeter

    /// - Parameters:
    ///   - sequences: those that are calibrated on, then those that are held out.
    init(
        _ calibrator: Calibrator, _ sequences: [[Int32]], calibrating: Int, _ scratch: CalibrationScratch,
        _ rows: EncodedRowsFile, _ meter: CalibrationMeter
    ) throws(CheckpointError) {
        let (reference, matrices) = (calibrator.reference, calibrator.matrices)
        let (shape, compute) = (reference.configuration, reference.compute)
        let (length, count) = (sequences[0].count, sequences.count)
        let (options, plan) = (calibrator.options, calibrator.plan)
        let isKept = options.comparesInputs || calibrating < count
        let width = shape.embeddingLength
        func streams(
            _ name: CalibrationScratch.Name, _ features: Int = width, inMemory levels: Int? = nil
        ) throws(CheckpointError) -> StreamStore {
            if let levels {
                return StreamStore(
                    features: features, length: length, sequences: count, levels: levels, compute: compute)
            }
            return try StreamStore(
                path: scratch.file(name), features: features, length: length, sequences: count,
                compute: compute)
        }
        nearest = NearestPass(
            reference: reference, matrices: matrices, sequences: sequences,
            differentiated: 0..<(options.differentiates ? calibrating : 0),
            atATime: Calibrator.sequencesAtATime(length: length), streams: try streams(.streams),
            gradients: try streams(.gradients), keepsGradients: plan.observesAgain,
            tick: { share throws(CheckpointError) in try meter.advance(share) })
        vocabulary = VocabularyRounding(
            nearest: nearest, matrices: matrices, options: options, rows: rows,
            states: try ScratchFile(path: scratch.file(.states)),
            tick: { share throws(CheckpointError) in try meter.advance(share) })
        let outputs = try OutputGradientsFile(
            path: scratch.file(.outputs), matrices.calibrated.map { ($0.role, plan.bands($0)) },
            tokens: calibrating * length, isOfOneBlock: plan.observesAgain, compute: compute)
        var inputs: [Sublayer: StreamStore] = [:]
        for sublayer in Sublayer.allCases where isKept {
            inputs[sublayer] = try streams(
                .inputs(of: sublayer), sublayer.last.width(in: shape), inMemory: plan.holdsStreams ? 1 : nil)
        }
        let pair = plan.holdsStreams ? 2 : nil
        rounding = RoundingPass(
            matrices: matrices, options: options, plan: plan,
            streams: PairedStreams(
                reference: reference, count: count, exact: try streams(.exact, inMemory: pair),
                rounded: isKept ? try streams(.rounded, inMemory: pair) : nil,
                inputs: inputs),
            calibrating: calibrating,
            outputs: options.differentiates ? outputs : nil, rows: rows, journal: scratch.journal,
            tick: { share throws(CheckpointError) in try meter.advance(share) })
        self.matrices = matrices
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
        case .embedNearest: try nearest.embed()
        case .advance(let layer): try nearest.advance(through: layer)
        case .differentiate: try differentiate()
        case .retreat(let layer): try retreat(through: layer, observes: !plan.observesAgain)
        case .observe(let layer): try retreat(through: layer, observes: true, keeps: false)
        case .roundVocabulary: record.sublayer = try vocabulary.round()
        case .embed:
            try embed()
            record.keepsStreams = rounding.streams.exact.outlivesProcess
        case .round(let sublayer, let layer):
            record.sublayer = try rounding.round(sublayer, of: layer)
            meter.rounded(record.sublayer?.error)
        case .measure: record.scores = try measure()
        }
        return record
    }

    private func differentiate() throws(CheckpointError) {
        guard !matrices.vocabulary.isEmpty else { return try nearest.differentiate() }
        let width = nearest.reference.configuration.embeddingLength
        let head = Memory(byteCount: 4 * width * width)
        try nearest.differentiate(head: head)
        try vocabulary.keep(head)
    }

    /// Passes gradients back through a block.
    ///
    /// - Parameter observes: whether what they say of its matrices is kept.
    private func retreat(through layer: Int, observes: Bool, keeps: Bool = true) throws(CheckpointError) {
        var bands: [TensorRole: [Range<Int>]] = [:]
        for matrix in matrices.calibrated where observes && matrix.role.layer == layer {
            bands[matrix.role] = plan.bands(matrix)
        }
        for (role, gradients) in try nearest.retreat(through: layer, bands: bands, keeps: keeps) {
            try outputs.write(gradients, of: role)
        }
    }

    private func embed() throws(CheckpointError) {
        try rounding.streams.embed(sequences, quantized: try calibratedVocabulary())
    }

    /// The model with the vocabulary's matrices as they will be.
    private func calibratedVocabulary() throws(CheckpointError) -> LanguageModel {
        try matrices.roundVocabulary(of: rounding.streams.reference) { tensor throws(CheckpointError) in
            guard let digest = rounding.journal.digest(of: tensor.name) else { return nil }
            return try rounding.rows.read(tensor, digest: digest)
        }
    }

    private func measure() throws(CheckpointError) -> CalibrationScores {
        let reference = rounding.streams.reference
        let layers = reference.configuration.layerCount
        let (nearest, streams, first) = (nearest.streams, rounding.streams, calibrating)
        guard let rounded = streams.rounded else {
            preconditionFailure("held-out sequences go along in both models")
        }
        let level = PairedStreams.level(Sublayer.allCases[0], of: layers)
        return try HeldOutMeasurement(
            reference: reference, rounded: try matrices.roundVocabulary(of: reference),
            calibrated: try calibratedVocabulary(),
            sequences: Array(sequences[calibrating...]),
            streams: { state, chunks throws(CheckpointError) in
                let own = first + chunks.lowerBound..<first + chunks.upperBound
                return switch state {
                case .source: try streams.exact.read(level: level, own)
                case .rounded: try nearest.read(level: layers, own)
                case .calibrated: try rounded.read(level: level, own)
                }
            }
        ).run()
    }
}
