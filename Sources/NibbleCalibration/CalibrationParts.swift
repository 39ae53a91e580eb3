internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

/// The passes of a calibration, and what is between them in scratch files.
struct CalibrationParts {
    private let matrices: QuantizedMatrices
    private let nearest: NearestPass
    private let rounding: RoundingPass
    private let outputs: OutputGradientsFile
    private let sequences: [[Int32]]
    private let meter: CalibrationMeter

    /// - Parameter holdsStreams: whether the streams of matrices that are rounded are held in memory.
    init(
        _ calibrator: Calibrator, _ sequences: [[Int32]], _ scratch: CalibrationScratch,
        _ rows: EncodedRowsFile, holdsStreams: Bool, _ meter: CalibrationMeter
    ) throws(CheckpointError) {
        let (reference, matrices) = (calibrator.reference, calibrator.matrices)
        let (shape, compute) = (reference.configuration, reference.compute)
        let (length, count) = (sequences[0].count, sequences.count)
        func file(_ name: String) throws(CheckpointError) -> StreamStore {
            try StreamStore(
                path: scratch.file(name), features: shape.embeddingLength, length: length, sequences: count,
                compute: compute)
        }
        func streams(
            _ name: String, _ features: Int, levels: Int = 2
        ) throws(CheckpointError) -> StreamStore {
            guard !holdsStreams else {
                return StreamStore(
                    features: features, length: length, sequences: count, levels: levels, compute: compute)
            }
            return try StreamStore(
                path: scratch.file(name), features: features, length: length, sequences: count,
                compute: compute)
        }
        nearest = NearestPass(
            reference: reference, matrices: matrices, sequences: sequences,
            atATime: Calibrator.sequencesAtATime(length: length), streams: try file("streams"),
            gradients: try file("gradients"),
            tick: { tokens throws(CheckpointError) in try meter.advance(tokens) })
        let outputs = try OutputGradientsFile(
            path: scratch.file("outputs"), matrices.calibrated, tokens: count * length, compute: compute)
        var inputs: [Sublayer: StreamStore] = [:]
        for sublayer in Sublayer.allCases where calibrator.compares {
            inputs[sublayer] = try streams(
                "inputs.\(sublayer)", sublayer.last.width(in: shape), levels: 1)
        }
        let journal = scratch.journal
        rounding = RoundingPass(
            matrices: matrices, options: calibrator.options,
            streams: PairedStreams(
                reference: reference, count: count, exact: try streams("exact", shape.embeddingLength),
                rounded: calibrator.compares ? try streams("rounded", shape.embeddingLength) : nil,
                inputs: inputs),
            calibrating: count,
            outputs: calibrator.differentiates
                ? { role throws(CheckpointError) in try outputs.read(role) } : nil,
            keep: { matrix throws(CheckpointError) in try rows.write(matrix) },
            kept: { tensor throws(CheckpointError) in
                try journal.digest(of: tensor.name).map { digest throws(CheckpointError) in
                    try rows.read(tensor, digest: digest)
                } ?? nil
            },
            tick: { () throws(CheckpointError) in try meter.advance() })
        self.matrices = matrices
        self.outputs = outputs
        self.sequences = sequences
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
        switch step {
        case .embedNearest: try nearest.embed()
        case .advance(let layer): try nearest.advance(through: layer)
        case .differentiate: try nearest.differentiate()
        case .retreat(let layer):
            for (role, gradients) in try nearest.retreat(through: layer) {
                try outputs.write(gradients, of: role)
            }
        case .embed:
            // Of the way back.
            rounding.streams.reference.compute.pool.releaseIdle()
            try embed()
            record.keepsStreams = rounding.streams.exact.outlivesProcess
        case .round(let sublayer, let layer):
            record.sublayer = try rounding.round(sublayer, of: layer)
            meter.rounded(sublayer, of: layer)
        }
        return record
    }

    private func embed() throws(CheckpointError) {
        try rounding.streams.embed(
            sequences, quantized: try matrices.roundVocabulary(of: rounding.streams.reference))
    }
}
