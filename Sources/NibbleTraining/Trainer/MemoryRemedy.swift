internal import NibbleCalibration
internal import NibbleCheckpoint

/// A change to a recipe with which a run takes less memory, and what it takes then.
struct MemoryRemedy: Sendable, Equatable {
    /// The fields that change, as `--set` takes them: `optimizer.state=int8`.
    let settings: String
    /// ``MemoryPlan/resident`` of the changed recipe, in bytes.
    let resident: Int
}

extension MemoryPlan {
    /// What would lower the memory of a run that does not fit.
    struct Remedies {
        /// What the recipe as it is takes, and may take.
        let (resident, limit): (Int, Int)
        /// Each change that saves something, by itself, in the order of ``changes(to:)``.
        let single: [MemoryRemedy]
        /// The first of them that fit together; nil where one of them does by itself, or not even all of them do.
        let together: MemoryRemedy?
        /// What all of them together take.
        let least: Int
    }

    /// A change to a recipe.
    private struct Change {
        let setting: String
        let apply: (inout Recipe) -> Void
    }

    /// Changes that may save memory, those first that change least of what is learned.
    private static func changes(to recipe: Recipe) -> [Change] {
        let train = recipe.train
        var changes = [
            Change(setting: "train.recompute=blocks") { $0.train.recompute = .blocks },
            Change(setting: "optimizer.state=int8") { $0.optimizer.state = .int8 },
            Change(setting: "teacher.kind=cached") { $0.teacher.kind = .cached },
            Change(setting: "calibration.token_weights=equal") { $0.calibration.tokenWeights = .equal },
            Change(setting: "train.sequences_per_step=1") { $0.train.sequencesPerStep = 1 },
        ]
        if train.parameters.contains(.embedding), train.parameters != [.embedding] {
            let others = Recipe.Training.Parameters.allCases.filter {
                train.parameters.contains($0) && $0 != .embedding
            }
            let names = others.map(\.rawValue).joined(separator: ",")
            changes.append(
                Change(setting: "train.parameters=\(names)") { $0.train.parameters.remove(.embedding) })
        }
        let length = train.sequenceLength / 64 * 32
        if length > 0 {
            changes.append(
                Change(setting: "train.sequence_length=\(length)") { $0.train.sequenceLength = length })
        }
        changes.append(Change(setting: "calibration.method=nearest") { $0.calibration.method = .nearest })
        return changes
    }

    /// What each change saves, by plans of the changed recipes.
    ///
    /// - Parameter plan: the plan of a recipe.
    static func remedies(
        _ recipe: Recipe, resident: Int, limit: Int, plan: (Recipe) -> MemoryPlan
    ) -> Remedies {
        func planned(_ recipe: Recipe) -> Int? {
            (try? recipe.validated(path: "recipe")).map { plan($0).resident }
        }
        var single: [MemoryRemedy] = []
        var (all, settings, least): (Recipe, [String], Int) = (recipe, [], resident)
        var together: MemoryRemedy?
        for change in changes(to: recipe) {
            var own = recipe
            change.apply(&own)
            if own != recipe, let bytes = planned(own), bytes < resident {
                single.append(MemoryRemedy(settings: change.setting, resident: bytes))
            }
            var next = all
            change.apply(&next)
            guard next != all, let bytes = planned(next), bytes < least else { continue }
            (all, least) = (next, bytes)
            settings.append(change.setting)
            if bytes <= limit, together == nil {
                together = MemoryRemedy(settings: settings.joined(separator: " "), resident: bytes)
            }
        }
        let one = single.contains { $0.resident <= limit }
        return Remedies(
            resident: resident, limit: limit, single: single, together: one ? nil : together, least: least)
    }
}

extension MemoryPlan.Remedies {
    /// What to do, in one line.
    var advice: String {
        func listed(_ remedies: [MemoryRemedy]) -> String {
            remedies.map { "\($0.settings) (\(ByteText.text($0.resident)))" }.joined(separator: ", ")
        }
        let fitting = single.filter { $0.resident <= limit }
        if !fitting.isEmpty {
            let others = single.filter { $0.resident > limit }
            return "it fits with \(fitting.count > 1 ? "one of " : "")\(listed(fitting))"
                + (others.isEmpty ? "" : "; less is saved by \(listed(others))")
        }
        let each = single.isEmpty ? "" : "; by themselves: \(listed(single))"
        if let together { return "it fits with \(listed([together])) together" + each }
        return
            "nothing in the recipe makes it fit (at the least it takes \(ByteText.text(least))): train on a machine with "
            + "more memory, or a smaller model" + each
    }
}
