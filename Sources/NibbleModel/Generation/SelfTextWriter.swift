internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor
internal import NibbleTokenizer

/// Draws the sequences of a ``SelfText``, several at a time.
struct SelfTextWriter {
    private let text: SelfText
    private let teacher: LanguageModel
    private let beginning: Int32?
    /// Tokens that are not drawn: control tokens, and rows of the model without a token.
    private let excluded: [Int]
    /// Tokens that a sequence without BOS may begin with.
    private let starts: [Int32]

    /// Sequences side by side at most; more gain little.
    private static let maximumGroup = 64

    init(_ text: SelfText, teacher: LanguageModel, tokenizer: Tokenizer, beginning: Int32?) {
        self.text = text
        self.teacher = teacher
        self.beginning = beginning
        let kinds = tokenizer.vocabulary.kinds
        let ends = tokenizer.endsOfGeneration
        excluded = (0..<teacher.vocabularySize).filter {
            $0 >= kinds.count || kinds[$0] == .control || ends.contains(Int32($0))
        }
        starts = kinds.indices.filter { kinds[$0] == .normal && $0 < teacher.vocabularySize }
            .map { Int32($0) }.filter { !ends.contains($0) }
    }

    /// Sequences that are drawn together.
    private var group: Int {
        let shape = teacher.configuration
        let bytes =
            8 * shape.layerCount * shape.keyValueHeadCount * shape.headDimension * text.sequenceLength
        return min(Self.maximumGroup, max(1, text.cacheBytes / bytes))
    }

    /// Writes the file at `path`, or the rest of one that was begun.
    func write(
        to path: String, header: BlockFileHeader, progress: (Int) -> Void, isCancelled: () -> Bool
    ) throws {
        guard excluded.count < teacher.vocabularySize else {
            throw TextError(teacher.path, "its vocabulary has only control tokens", advice: "give a text")
        }
        guard beginning != nil || !starts.isEmpty else {
            throw TextError(
                teacher.path, "its vocabulary has neither BOS nor normal tokens to begin with",
                advice: "give a text")
        }
        let length = header.blockSize / 4
        var writer = try BlockFileWriter(path: path, header: header, group: group)
        while writer.count < text.sequenceCount {
            let sequences = writer.count..<min(writer.count + group, text.sequenceCount)
            // Keys and values of another number of sequences find no use for those of the last.
            if sequences.count < group { teacher.compute.pool.releaseIdle() }
            let drawn = try draw(sequences, length: length) { position in
                progress(writer.count * length + position * sequences.count)
                guard !isCancelled() else {
                    throw CheckpointError(
                        .cancelled, path: path,
                        "was stopped after \(writer.count) of \(text.sequenceCount) sequences",
                        advice: "what is written is kept: go on from there")
                }
            }
            for sequence in drawn {
                try writer.append(
                    sequence.flatMap { token in withUnsafeBytes(of: token.littleEndian) { Array($0) } })
            }
        }
        teacher.compute.pool.releaseIdle()
        progress(text.sequenceCount * length)
        try writer.commit()
    }

    /// `length` tokens of some sequences, BOS not counted.
    private func draw(
        _ sequences: Range<Int>, length: Int, step: (_ position: Int) throws -> Void
    ) throws -> [[Int32]] {
        var samplers = sequences.map {
            // For its random numbers alone.
            Sampler(SamplingOptions(seed: text.seed), stream: $0)
        }
        var drawn = sequences.map { beginning == nil ? [start($0)] : [] }
        do {
            let state = try GenerationState(
                teacher, prompts: drawn.map { beginning.map { [$0] } ?? $0 }, capacity: text.sequenceLength,
                isInPanels: true)
            while drawn[0].count < length {
                try step(drawn[0].count)
                let shares = samplers.indices.map { samplers[$0].uniform() }
                let next = try state.draw(shares, excluding: excluded)
                for (index, token) in next.enumerated() { drawn[index].append(token) }
                if drawn[0].count < length { try state.append(next) }
            }
        } catch let error as ModelError {
            throw error.checkpointError
        }
        return drawn
    }

    /// The first token of a sequence without BOS.
    private func start(_ sequence: Int) -> Int32 {
        let bits = SplitMix64.mix(text.seed &+ SplitMix64.gamma &* (UInt64(sequence) &+ 1))
        return starts[Int(bits.multipliedFullWidth(by: UInt64(starts.count)).high)]
    }
}
