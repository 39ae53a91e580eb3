internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization

extension Trainer {
    /// Chooses what the first step begins with: learned scales, and what is rounded, from sequences all over the training
    /// text.
    func begin(_ records: RunRecords) throws {
        guard student.options.config.scales == .learned else { return }
        guard roundsWithFeedback || recipe.start.scales == .importance else { return }
        let sequences = sample(recipe.start.importanceSequences)
        let searches = recipe.start.scales == .importance
        do {
            guard roundsWithFeedback else {
                try student.chooseScales(InputImportance(teacher, sequences: sequences))
                try records.log("scales begin at the importance of columns on \(sequences.count) sequences")
                return
            }
            try student.roundWithFeedback(teacher, sequences: sequences, searches: searches)
        } catch let error as ModelError {
            throw error.checkpointError
        }
        try records.log("weights begin rounded with error feedback on \(sequences.count) sequences")
    }

    private var roundsWithFeedback: Bool {
        switch recipe.start.weights {
        case .teacher: false
        case .gptq: true
        case .automatic:
            recipe.quantization.startStep == 0 && student.options.parameters.contains(.linear)
        }
    }

    /// Some sequences, evenly spaced.
    private func sample(_ count: Int) -> [[Int32]] {
        let text = batches.text
        let count = min(count, text.sequenceCount)
        return (0..<count).map { text.sequence($0 * text.sequenceCount / count) }
    }
}
