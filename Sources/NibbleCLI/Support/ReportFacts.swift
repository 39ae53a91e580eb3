internal import Foundation
internal import Nibble

/// How a comparison was measured, so that it can be repeated.
struct ReportFacts {
    /// Names and values.
    let lines: [(name: String, value: String)]

    init(_ evaluator: Evaluator, _ session: Session, _ options: EvaluationOptions) throws(CheckpointError) {
        var lines: [(name: String, value: String)] = [
            ("command", CommandLine.arguments.map(Self.quoted).joined(separator: " ")),
            ("nibble", NibbleVersion.current), ("date", ISO8601DateFormatter().string(from: Date())),
            ("arithmetic", evaluator.models[0].compute.summary),
        ]
        for model in evaluator.models {
            let digest = TeacherDigest(
                try ModelCheckpoint(path: model.path), threads: options.threads.count(session))
            lines.append(("model", "\(model.path), digest \(digest)"))
        }
        for (name, plan) in evaluator.plans {
            let digest = TokenSequences.digest(of: [plan.tokens]).prefix(16)
            lines.append(
                (
                    "text",
                    "\(name): \(Text.grouped(plan.tokens.count)) tokens, "
                        + ChunkPlan.description(
                            plan.count, of: plan.window, conversations: [plan.areConversations])
                        + ", digest of tokens \(digest)"
                ))
        }
        self.lines = lines
    }

    /// An argument as a shell takes it.
    private static func quoted(_ argument: String) -> String {
        let plain = argument.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=+:,@%".contains($0))
        }
        guard argument.isEmpty || !plain else { return argument }
        return "'" + argument.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}

extension ComparisonReport {
    /// How far matrices lie from the base's, of the models on which the report says most.
    func measureWeights(_ evaluator: Evaluator) -> [(model: String, errors: [WeightError])] {
        ComparisonPage.featured(rows).compactMap { place in
            evaluator.models[place].weightErrors(from: evaluator.models[0]).map { (rows[place].name, $0) }
        }
    }

    /// The tokens on which models diverge most: of those on which the report says most.
    func passages(_ evaluator: Evaluator) -> [(model: String, passages: [WorstPassage])] {
        ComparisonPage.featured(rows).map { (rows[$0].name, evaluator.worstPassages(result, model: $0)) }
    }
}
