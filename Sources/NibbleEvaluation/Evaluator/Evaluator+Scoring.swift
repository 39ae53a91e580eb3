internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

// Passing chunks through all models, and adding up what they make of them.
extension Evaluator {
    /// What all models make of the scored tokens of some chunks, `[model][chunk][token]`.
    struct Found {
        var tokens: [[[TokenDivergence]]]
        /// The same beside the second base, where there is one.
        var second: [[[TokenDivergence]]]?
        /// What all models, or the recorded base and the model, hold the most probable.
        var tops: [[[Int32]]]
        /// The places of these tokens in their chunks, `[chunk][token]`.
        var places: [[Int]]
    }

    func evaluate(_ plan: ChunkPlan, _ range: Range<Int>) throws(CheckpointError) -> Found {
        let chunks = range.map { plan[$0] }
        let base = try recordedLogits(plan, range)
        defer { if let recorded { for chunk in range { recorded.release(chunk: chunk) } } }
        // Chunks that differ in length come one at a time.
        let positions = chunks[0].scored
        let (pass, sums): (ScoringPass, VocabularySums)
        let final = try finalStreams(range)
        do throws(ModelError) {
            let sequences = chunks.map(\.tokens)
            pass =
                if let final {
                    ScoringPass(
                        models, streams: final, recorded: base, sequences: sequences, positions: positions)
                } else {
                    try ScoringPass(models, recorded: base, sequences: sequences, positions: positions)
                }
            sums = try pass.sums(targets: chunks.map(\.targets))
        } catch {
            throw error.checkpointError
        }
        try recorder?.write(pass.sources[0], sums: sums, chunks: range, compute: models[0].compute)
        let scores = pass.scores(sums)
        var found = Found(
            tokens: divergences(scores, recorded: base, chunks: chunks),
            tops: scores.map { $0.map { $0.map(\.top) } },
            places: chunks.map { chunk in chunk.scored.map { $0 + 1 } })
        if let secondBase {
            let scores = pass.scores(from: secondBase, targets: chunks.map(\.targets))
            found.second = models.indices.map { divergences(of: scores[$0], from: scores[secondBase]) }
        }
        for (index, chunk) in chunks.enumerated() {
            if let counted = chunk.counted { found.keep(counted, ofChunk: index) }
        }
        return found
    }

    private func finalStreams(_ chunks: Range<Int>) throws(CheckpointError) -> [Tensor]? {
        guard let streams else { return nil }
        var all: [Tensor] = []
        for model in models.indices { all.append(try streams(model, chunks)) }
        return all
    }

    private func recordedLogits(_ plan: ChunkPlan, _ range: Range<Int>) throws(CheckpointError)
        -> RecordedLogits?
    {
        guard let recorded else { return nil }
        var records: [LogitsRecord] = []
        for chunk in range {
            recorded.prefetch(chunk: chunk)
            for index in 0..<recorded.scoredPerChunk {
                records.append(try recorded.record(chunk: chunk, index: index))
            }
        }
        return RecordedLogits(
            records, layout: ScoringPass.layout(models[0], sequences: range.count, positions: plan.scored))
    }

    /// Pairs every model's scores with the base's: the recorded one or the first model.
    private func divergences(
        _ scores: [[[TokenScore]]], recorded: RecordedLogits?, chunks: [Chunk]
    ) -> [[[TokenDivergence]]] {
        scores.dropFirst(recorded == nil ? 0 : 1).map { own in
            divergences(of: own, from: scores[0]) { chunk, index in
                let targets = chunks[chunk].targets
                return recorded?.negativeLogLikelihood(
                    token: chunk * targets.count + index, target: targets[index])
            }
        }
    }

    /// Pairs a model's scores with a base's.
    ///
    /// - Parameter baseNll: the base's negative log likelihood of a token where it is known better than by its score.
    private func divergences(
        of own: [[TokenScore]], from base: [[TokenScore]],
        baseNll: (_ chunk: Int, _ index: Int) -> Double? = { _, _ in nil }
    ) -> [[TokenDivergence]] {
        own.indices.map { chunk in
            own[chunk].indices.map { index in
                let (own, base) = (own[chunk][index], base[chunk][index])
                return TokenDivergence(
                    nll: own.negativeLogLikelihood,
                    baseNll: baseNll(chunk, index) ?? base.negativeLogLikelihood,
                    divergence: own.divergence, sameTop: own.top == base.top)
            }
        }
    }

    func add(_ found: Found, to text: inout Evaluation.Text) throws(EvaluationError) {
        for model in models.indices {
            for token in found.tokens[model].joined() {
                try text.estimates[model].add(token.nll)
                if hasBase, recorded != nil || model > 0 { try text.divergences[model].add(token) }
            }
            guard let second = found.second, model != secondBase else { continue }
            for token in second[model].joined() { try text.secondDivergences[model].add(token) }
        }
    }

    /// Adds each chunk's tokens to the document that it belongs to.
    func add(
        _ found: Found, of chunks: Range<Int>, _ plan: ChunkPlan, _ places: DocumentPlaces,
        to text: inout Evaluation.Text
    ) {
        for (index, chunk) in chunks.enumerated() {
            let document = places.document(ofChunk: chunk, of: plan)
            for model in models.indices {
                let tokens = found.tokens[model][index]
                for token in tokens { text.documents[document].sums[model].add(token) }
                if hasBase, recorded != nil || model > 0 {
                    text.positions[model].add(tokens)
                    addWorst(found, model, index: index, chunk: chunk, to: &text.worst[model])
                }
                guard let second = found.second else { continue }
                for token in second[model][index] { text.documents[document].secondSums[model].add(token) }
            }
        }
    }

    private func addWorst(
        _ found: Found, _ model: Int, index: Int, chunk: Int, to worst: inout WorstTokens
    ) {
        let (own, base) = (found.tops[recorded == nil ? model : model + 1][index], found.tops[0][index])
        for (place, score) in found.tokens[model][index].enumerated() {
            worst.add(
                .init(
                    chunk: chunk, position: found.places[index][place], score: score,
                    top: own[place], baseTop: base[place]))
        }
    }

    /// Whether divergences from a base are measured.
    var hasBase: Bool { models.count > 1 || recorded != nil }
}

extension Evaluator.Found {
    /// Keeps some of a chunk's tokens.
    fileprivate mutating func keep(_ counted: [Int], ofChunk chunk: Int) {
        func kept<Element>(_ values: [Element]) -> [Element] { counted.map { values[$0] } }
        for model in tokens.indices { tokens[model][chunk] = kept(tokens[model][chunk]) }
        for model in tops.indices { tops[model][chunk] = kept(tops[model][chunk]) }
        second = second.map { models in
            models.map { chunks in
                var chunks = chunks
                chunks[chunk] = kept(chunks[chunk])
                return chunks
            }
        }
        places[chunk] = kept(places[chunk])
    }
}
