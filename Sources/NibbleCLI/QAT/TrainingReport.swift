internal import Nibble

/// A training run as text and as JSON.
struct TrainingReport {
    private let run: TrainingRun
    private let summary: TrainingSummary
    private let output: String

    init(_ run: TrainingRun, _ summary: TrainingSummary, output: String) {
        self.run = run
        self.summary = summary
        self.output = output
    }

    /// What is about to happen, with the memory it takes.
    static func banner(_ run: TrainingRun) -> String {
        let recipe = run.request.recipe
        let text = run.batches.text
        let memory = run.memory
        let start =
            memory.calibration > 0
            ? "; before the last three \(Text.bytes(memory.calibration)) of calibration" : ""
        let from = run.resumedAt.map { ", resumed at step \($0)" } ?? ""
        return """
            \(run.request.teacher) to \(recipe.quantization.type.rawValue): \(recipe.train.steps) steps of \
            \(recipe.train.sequencesPerStep) x \(recipe.train.sequenceLength) tokens\(from), seed \(recipe.train.seed)
            text: \(text.sequenceCount) sequences, \(Text.count(text.tokenCount)) tokens, \
            \(epochs(run))
            trains \(Text.count(run.student.trainedCount)) weights; \(run.student.compute.summary)
            memory: \(Text.bytes(memory.resident)) (student \(Text.bytes(memory.student)), frozen \
            \(Text.bytes(memory.frozen)), gradients \(Text.bytes(memory.gradients)), activations \
            \(Text.bytes(memory.activations)), scratch \(Text.bytes(memory.scratch))\(start)), and \
            \(Text.bytes(memory.teacher)) of the teacher's mapped file
            """
    }

    /// How often the run goes through its text, of each kind of it: `1.00 epochs`, `code 30.0 %, 0.21; prose 70.0 %, 1.20 epochs`.
    private static func epochs(_ run: TrainingRun) -> String {
        let (batches, steps) = (run.batches, run.request.recipe.train.steps)
        let counts = batches.epochs(steps: steps).map { Text.fixed($0, 2) }
        guard let shares = batches.shares else { return "\(counts[0]) epochs" }
        return batches.text.kinds.indices.map { kind in
            "\(batches.text.kinds[kind].name ?? "") \(Text.fixed(100 * shares.share(of: kind), 1)) %, \(counts[kind])"
        }.joined(separator: "; ") + " epochs"
    }

    /// How far training is, in one line.
    static func line(_ progress: TrainingProgress) -> String {
        var line =
            "step \(progress.step) of \(progress.totalSteps)  loss \(Text.fixed(progress.loss, 4))  "
            + "rate \(Text.scientific(progress.learningRate))  "
            + "\(Text.fixed(progress.tokensPerSecond, 0)) tokens/s  "
            + "\(Text.time(progress.remaining / .seconds(1))) left"
        if let score = progress.heldOut {
            line +=
                "  held-out perplexity at step \(score.step): \(Text.fixed(score.perplexity, 2)) "
                + "(teacher \(Text.fixed(score.teacherPerplexity, 2)))"
        }
        return line
    }

    /// How to go on after an interrupt.
    var resumption: String {
        "stopped at step \(summary.step) of \(run.request.recipe.train.steps)"
            + (summary.step > 0 ? ", which is saved" : "") + "; the same command with --resume goes on"
    }

    /// The held-out figures and the file.
    func text(exported: String, _ conversion: ConversionSummary) -> String {
        var sections: [String] = []
        if let rounded = summary.rounded {
            var rows = [
                ["", "perplexity", "divergence"],
                ["teacher", Text.fixed(rounded.teacherPerplexity, 4), ""],
                Self.row("rounded to nearest", rounded),
            ]
            if let calibrated = summary.calibrated { rows.append(Self.row("calibrated", calibrated)) }
            if let final = summary.final, final.step > 0 {
                rows.append(Self.row("trained, step \(final.step)", final))
            }
            if let betterState { rows.append(Self.row("best, step \(betterState.step)", betterState)) }
            sections.append("held-out text:\n" + Text.table(rows, right: [1, 2]))
        }
        sections += summary.calibrationNotes
        var closing = "\(exported): \(Text.bytes(conversion.outputBytes))"
        if let recovered = summary.recovered {
            closing += ", \(Text.fixed(100 * recovered, 1)) % of the loss in perplexity recovered"
        }
        sections.append(
            closing + "; \(summary.ending.words) step \(summary.step), "
                + "\(Text.fixed(summary.tokensPerSecond, 0)) tokens/s, "
                + "\(Text.bytes(summary.peakResidentBytes)) resident at most")
        if let betterState {
            sections.append(
                "step \(betterState.step) had the smallest divergence: "
                    + "'nibble qat export \(output) -o FILE --state best' writes it")
        }
        return sections.joined(separator: "\n\n")
    }

    private static func row(_ name: String, _ score: HeldOutScore) -> [String] {
        [name, Text.fixed(score.perplexity, 4), Text.fixed(score.divergence, 5)]
    }

    /// The state that held-out text prefers to the one that was exported: a run that it ends exports its best state.
    private var betterState: HeldOutScore? {
        guard summary.ending == .finished, let best = summary.best, let final = summary.final else {
            return nil
        }
        return best.divergence < final.divergence ? best : nil
    }

    func json(exported: String?) -> String {
        let members: [JSONValue.Member] = [
            .init("run", .string(output)),
            .init("exported", exported.map { .string($0) } ?? .null),
            .init("ending", .string(summary.ending.rawValue)),
            .init("step", .integer(summary.step)),
            .init("total_steps", .integer(run.request.recipe.train.steps)),
            .init("recipe_digest", .string(run.request.recipe.digest)),
            .init("threads", .integer(run.request.threads)),
            .init("tokens_per_second", .real(summary.tokensPerSecond)),
            .init("peak_resident_bytes", .integer(summary.peakResidentBytes)),
            .init("planned_bytes", .integer(run.memory.resident)),
            .init("rounded", Self.json(summary.rounded)),
            .init("calibrated", Self.json(summary.calibrated)),
            .init("final", Self.json(summary.final)),
            .init("best", Self.json(summary.best)),
            .init("recovered", summary.recovered.map { .real($0) } ?? .null),
            .init("losses", .array(summary.losses.map { .real($0) })),
            .init("warnings", .array(run.warnings.map { .string($0.description) })),
            .init("notes", .array(run.notes.map { .string($0) })),
        ]
        return String(JSONValue.object(members).serialized().dropLast())
    }

    private static func json(_ score: HeldOutScore?) -> JSONValue {
        guard let score else { return .null }
        return .members([
            "step": .integer(score.step), "perplexity": .real(score.perplexity),
            "perplexity_error": .finite(score.perplexityError),
            "teacher_perplexity": .real(score.teacherPerplexity), "divergence": .real(score.divergence),
        ])
    }
}

extension TrainingSummary.Ending {
    fileprivate var words: String {
        switch self {
        case .finished: "finished at"
        case .stoppedEarly: "held-out text got no better: ended at"
        case .interrupted: "interrupted at"
        }
    }
}
