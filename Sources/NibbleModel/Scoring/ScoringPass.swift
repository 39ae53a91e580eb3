internal import NibbleCheckpoint
public import NibbleTensor

/// One batch through one or more models with one vocabulary, up to the logits of the positions that count.
///
/// Logits are never held as a whole: ``sums(targets:)`` computes them a slice of the vocabulary at a time.
public struct ScoringPass: Sendable {
    /// Where the logits come from: the recorded ones, if any, then each model's.
    public let sources: [any LogitSource]
    private let models: [LanguageModel]
    private let sequences: [[Int32]]
    private let positions: Range<Int>
    private var compute: Compute { models[0].compute }

    /// Passes sequences of equal length, each from position 0, through the models.
    ///
    /// - Parameters:
    ///   - recorded: logits of the same tokens from elsewhere, in ``layout(_:sequences:positions:)``; they come first
    ///     in ``sources``.
    ///   - positions: whose predictions count, the same for all sequences.
    public init(
        _ models: [LanguageModel], recorded: (any LogitSource)? = nil, sequences: [[Int32]],
        positions: Range<Int>
    ) throws(ModelError) {
        var streams: [Tensor] = []
        for model in models { streams.append(try model.residual(sequences)) }
        self.init(models, streams: streams, recorded: recorded, sequences: sequences, positions: positions)
    }

    /// The same where the sequences have passed the blocks already.
    ///
    /// - Parameter streams: the residual stream of each model after its last block.
    package init(
        _ models: [LanguageModel], streams: [Tensor], recorded: (any LogitSource)? = nil,
        sequences: [[Int32]], positions: Range<Int>
    ) {
        precondition(
            !models.isEmpty && models.count == streams.count, "\(streams.count) streams of \(models.count)")
        let heads = zip(models, streams).map { model, stream in
            model.vocabularyHead(model.finalStates(stream, positions: positions)) as any LogitSource
        }
        sources = (recorded.map { [$0] } ?? []) + heads
        self.models = models
        self.sequences = sequences
        self.positions = positions
    }

    /// How the scored tokens of a batch lie side by side: sequence after sequence.
    public static func layout(_ model: LanguageModel, sequences: Int, positions: Range<Int>) -> PanelLayout {
        model.compute.layout(sequences: 1, length: sequences * positions.count)
    }

    /// Sums over the vocabulary for all scored tokens, in the order of ``layout(_:sequences:positions:)``.
    ///
    /// - Parameter targets: for every sequence the tokens that follow the positions in the text.
    /// - Throws: ``ModelError/nonFinite(layer:layerCount:path:)``.
    public func sums(targets: [[Int32]]) throws(ModelError) -> VocabularySums {
        if let sums = VocabularySums(sources, targets: targets.flatMap { $0 }, compute: compute) {
            return sums
        }
        for model in models { try model.findNonFinite(sequences) }
        // All states are finite: a head is not. Sums of one model at a time tell whose.
        let targets = targets.flatMap { $0 }
        let model =
            zip(models, sources.suffix(models.count)).first { _, source in
                VocabularySums([source], targets: targets, compute: compute) == nil
            }?.0 ?? models[0]
        throw model.nonFiniteHead
    }

    /// For every source, every sequence a score for each position.
    ///
    /// - Parameter sums: what ``sums(targets:)`` gave.
    public func scores(_ sums: VocabularySums) -> [[[TokenScore]]] {
        sources.indices.map { scores(sums, place: $0) }
    }

    /// The scores of all sources, in their order, with divergences from another one than the first.
    ///
    /// - Parameters:
    ///   - base: the source that divergences are measured from.
    ///   - targets: as ``sums(targets:)`` has them, which was called before and found all logits finite.
    public func scores(from base: Int, targets: [[Int32]]) -> [[[TokenScore]]] {
        let order = [base] + sources.indices.filter { $0 != base }
        guard
            let sums = VocabularySums(
                order.map { sources[$0] }, targets: targets.flatMap { $0 }, compute: compute)
        else { preconditionFailure("logits are finite") }
        return sources.indices.map { source in
            scores(sums, place: order.firstIndex(of: source) ?? 0)
        }
    }

    private func scores(_ sums: VocabularySums, place: Int) -> [[TokenScore]] {
        sequences.indices.map { sequence in
            (0..<positions.count).map { sums.score(source: place, token: sequence * positions.count + $0) }
        }
    }
}
