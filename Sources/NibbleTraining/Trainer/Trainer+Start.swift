internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

extension Trainer {
    /// Chooses what the first step begins with: learned scales, and what is rounded, from sequences all over the training
    /// text.
    ///
    /// - Returns: false where it was cancelled.
    func begin(
        _ records: RunRecords, preparing: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        guard choosesStart else { return true }
        let searches = recipe.start.scales == .importance
        let roundsWithFeedback = Self.roundsWithFeedback(student, recipe)
        let sequences = sample(recipe.start.importanceSequences)
        do {
            guard roundsWithFeedback else {
                try student.chooseScales(InputImportance(teacher, sequences: sequences))
                try records.log("scales begin at the importance of columns on \(sequences.count) sequences")
                return true
            }
            let importance = try tokenImportance(sequences, preparing, isCancelled)
            // Of the gradients.
            teacher.compute.pool.releaseIdle()
            if isCancelled() { return false }
            let layers = teacher.configuration.layerCount
            let rounding = try student.roundWithFeedback(
                teacher, sequences: sequences,
                options: FeedbackOptions(searches: searches, compensation: recipe.start.compensation),
                importance: importance
            ) {
                preparing(PreparationProgress(stage: .roundingWeights, done: $0, total: layers))
                return !isCancelled()
            }
            guard rounding.isWhole else { return false }
            if let note = rounding.note { try add(note, records) }
        } catch let error as ModelError {
            throw error.checkpointError
        }
        try records.log("weights begin rounded with error feedback on \(sequences.count) sequences")
        return true
    }

    /// How much the tokens matter, where the recipe weighs them.
    private func tokenImportance(
        _ sequences: [[Int32]], _ preparing: (PreparationProgress) -> Void, _ isCancelled: () -> Bool
    ) throws(ModelError) -> TokenImportance? {
        guard recipe.start.tokens == .gradient else { return nil }
        let length = recipe.train.sequenceLength
        return try TokenImportance(
            student, sequences: sequences, atATime: max(1, Self.tokensAtATime / length),
            recomputes: recomputes
        ) {
            preparing(
                PreparationProgress(
                    stage: .weighingTokens, done: $0 * length, total: sequences.count * length))
            return !isCancelled()
        }
    }

    /// Whether the first step begins with anything but what the codec makes of the teacher's weights.
    var choosesStart: Bool {
        student.options.config.scales == .learned
            && (Self.roundsWithFeedback(student, recipe) || recipe.start.scales == .importance)
    }

    /// Whether the weights that training begins with are rounded with error feedback.
    static func roundsWithFeedback(_ student: Student, _ recipe: Recipe) -> Bool {
        guard student.options.config.scales == .learned else { return false }
        return switch recipe.start.weights {
        case .teacher: false
        case .gptq: true
        case .automatic: recipe.quantization.startStep == 0
        }
    }

    private func add(_ note: String, _ records: RunRecords) throws(CheckpointError) {
        notes.append(note)
        try records.log(note)
    }

    /// Some sequences, evenly spaced.
    private func sample(_ count: Int) -> [[Int32]] {
        let text = batches.text
        let count = min(count, text.sequenceCount)
        return (0..<count).map { text.sequence($0 * text.sequenceCount / count) }
    }
}
