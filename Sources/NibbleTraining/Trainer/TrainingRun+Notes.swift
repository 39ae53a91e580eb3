internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization

/// What the user should know before training.
extension TrainingRun {
    /// Of a teacher that is quantized, or was.
    func noteTeacher() {
        if let types = student.checkpoint.quantizedTypes {
            notes.append(
                "the teacher is quantized itself (\(types)): what it lost already is not won back; "
                    + "an unquantized checkpoint is the better teacher")
        }
        let share = 100 * student.teacherGrid.ties / max(student.teacherGrid.sampled, 1)
        if student.teacherGrid.hasTies || student.teacherGrid.isDithered {
            notes.append(
                "\(share) % of the teacher's weights lie on ties of the codec, as weights do that were "
                    + "dequantized from another format; "
                    + (student.teacherGrid.isDithered
                        ? "the start is drawn within their cells (train.dither)"
                        : "the first step may flip them all to one side (train.dither: never)"))
        }
    }

    /// Of learning rates that the recipe sets for weights which it does not have: which one counts depends on the type.
    func noteRates() {
        let learned = student.matrices.count { $0.scales != nil }
        // Before rounding begins all weights move by the first.
        if learned == student.matrices.count, recipe.quantization.startStep == 0 {
            noteUnused("learning_rate", \.learningRate, "learned, so that \(Self.learnedRates) count")
        }
        if learned == 0 {
            let reason = "recomputed, so that \(Self.recomputedRate) counts"
            noteUnused("code_learning_rate", \.codeLearningRate, reason)
            noteUnused("scale_learning_rate", \.scaleLearningRate, reason)
        }
    }

    /// Of sequences longer than what the model was made for.
    func noteLength() {
        let (length, context) = (recipe.train.sequenceLength, teacher.configuration.contextLength)
        if length > context {
            notes.append("train.sequence_length is \(length), the model was made for \(context) tokens")
        }
    }

    /// Of a disk that will not hold the states that are kept: it would be found out at the first of them, or the last.
    func noteSpace() {
        guard let free = FilePath.freeBytes(session.folder.path) else { return }
        // One more than are kept while the newest is written, and the best.
        let needed = memory.student * (recipe.checkpoints.keep + 2)
        guard needed > free else { return }
        notes.append(
            "saved states take up to \(ByteText.text(needed)) (checkpoints.keep \(recipe.checkpoints.keep)), the disk of "
                + "\(session.folder.path) has \(ByteText.text(free)) free")
    }

    private func noteUnused(
        _ name: String, _ rate: KeyPath<Recipe.Optimizer, Float>, _ reason: String
    ) {
        let value = recipe.optimizer[keyPath: rate]
        guard value != Recipe.Optimizer()[keyPath: rate] else { return }
        notes.append("optimizer.\(name) is \(value), and moves nothing: scales are \(reason)")
    }

    /// The fields that say how fast weights move whose scales are learned.
    static let learnedRates = "optimizer.code_learning_rate and optimizer.scale_learning_rate"
    /// The field for weights whose scales are recomputed.
    static let recomputedRate = "optimizer.learning_rate"
}
