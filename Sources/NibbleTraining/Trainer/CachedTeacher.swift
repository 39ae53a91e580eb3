internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor
internal import NibbleTokenizer

/// The cache of a run's teacher, by sequences of the training text.
struct CachedTeacher: Sendable {
    private let cache: TeacherCache
    /// The place of every sequence in the cache; empty where they have the same numbers.
    private var places: [Int: Int] = [:]

    /// Opens the cache of a run, written first where it is not there: for the sequences that the run goes through.
    init(
        _ teacher: LanguageModel, _ run: RunIdentity, _ recipe: Recipe, _ batches: TokenBatches, path: String,
        preparing: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws {
        let (text, train) = (batches.text, recipe.train)
        var order = batches.used(steps: train.steps)
        let used = order.count
        let isWhole = used == text.sequenceCount
        if isWhole { order = Array(0..<used) }
        let identity = TeacherCacheIdentity(
            teacherDigest: run.teacherDigest, textDigest: run.textDigest,
            temperature: recipe.loss.temperature, top: recipe.teacher.topK,
            vocabularySize: teacher.vocabularySize, sequenceLength: train.sequenceLength, sequenceCount: used,
            seed: isWhole ? nil : train.seed, mixture: isWhole ? [] : train.mixture)
        let length = train.sequenceLength
        cache = try TeacherCacheBuilder(teacher, identity: identity).open(
            path: path, sequence: { text.sequence(order[$0]) },
            progress: {
                preparing(.init(stage: .cachingTeacher, done: $0 * length, total: used * length))
            }, isCancelled: isCancelled)
        if !isWhole {
            for (place, sequence) in order.enumerated() { places[sequence] = place }
        }
    }

    /// The probabilities of some sequences' tokens, one after the other.
    func probabilities(sequences: [Int]) throws(CheckpointError) -> TeacherProbabilities {
        var all = TeacherProbabilities(top: cache.identity.top)
        for sequence in sequences {
            guard let place = places.isEmpty ? sequence : places[sequence] else {
                preconditionFailure("sequence \(sequence) is not among the \(places.count) that are cached")
            }
            all.append(try cache.probabilities(block: place))
        }
        return all
    }
}
