internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleEvaluation
internal import NibbleModel
internal import NibbleTensor

/// What a student makes of held-out text, beside its teacher.
///
/// The teacher's residual streams behind its last block are kept from the first time on, in a file without a name, so that its
/// blocks are computed once. The vocabulary head is computed anew each time: all its logits are too many to keep.
final class HeldOutScoring {
    /// The text.
    let text: HeldOutText
    private let teacher: LanguageModel
    private let streams: StreamStore
    /// Sequences whose streams are kept.
    private var kept = 0

    /// - Parameter folder: whose disk is to hold the file.
    init(_ text: HeldOutText, teacher: LanguageModel, folder: String) throws(CheckpointError) {
        self.text = text
        self.teacher = teacher
        streams = try StreamStore(
            unnamedAt: FilePath.join(folder, RunFolder.Name.heldOutStreams),
            features: teacher.configuration.embeddingLength, length: text.sequences[0].count,
            sequences: text.sequences.count, compute: teacher.compute)
    }

    /// Perplexity and divergence of the second half of every sequence.
    ///
    /// - Throws: `CheckpointError` where a model gives NaN or infinity, or the file cannot be written.
    func score(_ student: LanguageModel, step: Int) throws(CheckpointError) -> HeldOutScore {
        let evaluator = try Evaluator(
            [teacher, student], sequences: text.sequences, name: "held-out text"
        ) { [self] model, chunks throws(CheckpointError) in
            try stream(of: chunks, through: model == 0 ? nil : student)
        }
        let found = try evaluator.run()
        let own = found.pooled(model: 1)
        return HeldOutScore(
            step: step, perplexity: own.perplexity, perplexityError: own.perplexityError,
            teacherPerplexity: found.pooled(model: 0).perplexity,
            divergence: found.divergence(model: 1).meanDivergence.value)
    }

    /// The residual streams of some sequences behind the last block.
    ///
    /// - Parameter student: nil: the teacher's.
    private func stream(
        of chunks: Range<Int>, through student: LanguageModel?
    ) throws(CheckpointError) -> Tensor {
        if student == nil, chunks.upperBound <= kept { return try streams.read(chunks) }
        let stream = try CheckpointError.of { () throws(ModelError) in
            try (student ?? teacher).residual(Array(text.sequences[chunks]))
        }
        if student == nil {
            try streams.write(stream, first: chunks.lowerBound)
            kept = chunks.upperBound
        }
        return stream
    }
}
