internal import NibbleCalibration
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Fields that contradict each other, although each is in range.
struct RecipeRule: Sendable {
    /// The fields concerned.
    let fields: [String]
    /// What must hold, for the reference.
    let statement: String
    /// What is wrong and what to do about it; nil where nothing is.
    let violation: @Sendable (Recipe) -> (problem: String, advice: String)?
}

extension Recipe {
    /// What must hold between fields: nothing that is asked for may be without effect.
    static let rules: [RecipeRule] = generalRules + folderRules

    private static let generalRules: [RecipeRule] = [
        RecipeRule(
            fields: ["quantization.scales", "train.parameters"],
            statement: "`quantization.scales` is not recomputed where `train.parameters` has scales."
        ) { recipe in
            guard recipe.quantization.scales == .recomputed, recipe.train.parameters.contains(.scales) else {
                return nil
            }
            return (
                "train.parameters has scales, but quantization.scales is recomputed",
                "set quantization.scales to learned"
            )
        },
        RecipeRule(
            fields: ["quantization.scales", "quantization.type"],
            statement: "`quantization.type` is q4_0, q5_0 or q8_0 where `quantization.scales` is learned."
        ) { recipe in
            let type = recipe.quantization.type
            guard recipe.quantization.scales == .learned, type.format.scaledBlocks == nil else { return nil }
            return (
                "quantization.scales is learned, but quantization.type is \(type.rawValue), expected q4_0, q5_0"
                    + " or q8_0",
                "set quantization.type to one of these, or quantization.scales to recomputed"
            )
        },
        RecipeRule(
            fields: ["quantization.start_step", "train.parameters"],
            statement: "`quantization.start_step` is 0 where `train.parameters` has nothing but scales."
        ) { recipe in
            guard recipe.train.parameters == [.scales], recipe.quantization.startStep > 0 else { return nil }
            return (
                "quantization.start_step is \(recipe.quantization.startStep), but train.parameters has nothing"
                    + " but scales, which are trained from there on",
                "set quantization.start_step to 0"
            )
        },
        RecipeRule(
            fields: ["quantization.start_step", "train.steps"],
            statement: "`quantization.start_step` is 0 or below `train.steps`."
        ) { recipe in
            let start = recipe.quantization.startStep
            guard start > 0, start >= recipe.train.steps else { return nil }
            return (
                "quantization.start_step is \(recipe.quantization.startStep), not below train.steps,"
                    + " \(recipe.train.steps): nothing would be quantized",
                "start earlier"
            )
        },
        RecipeRule(
            fields: [
                "calibration.method", "quantization.type", "quantization.scales", "quantization.start_step",
            ],
            statement: "`quantization.type` is q4_0, q5_0 or q8_0, `quantization.scales` not recomputed and"
                + " `quantization.start_step` 0 where `calibration.method` is gptq."
        ) { recipe in
            guard recipe.calibration.method == .gptq else { return nil }
            let quantization = recipe.quantization
            let problem: String? =
                if quantization.type.format.scaledBlocks == nil {
                    "quantization.type is \(quantization.type.rawValue), expected q4_0, q5_0 or q8_0"
                } else if quantization.scales == .recomputed {
                    "quantization.scales is recomputed"
                } else if quantization.startStep > 0 {
                    "quantization.start_step is \(quantization.startStep)"
                } else {
                    nil
                }
            return problem.map {
                ("calibration.method is gptq, but \($0)", "set calibration.method to auto or nearest")
            }
        },
        RecipeRule(
            fields: ["optimizer.state", "quantization.start_step"],
            statement: "`quantization.start_step` is 0 where `optimizer.state` is int8."
        ) { recipe in
            guard recipe.optimizer.state == .int8, recipe.quantization.startStep > 0 else { return nil }
            return (
                "optimizer.state is int8, but quantization.start_step \(recipe.quantization.startStep) trains weights"
                    + " before they have codes",
                "set optimizer.state to f32, or quantization.start_step to 0"
            )
        },
        RecipeRule(
            fields: ["teacher.kind", "train.steps"],
            statement: "`train.steps` is above 0 where `teacher.kind` is cached."
        ) { recipe in
            guard recipe.teacher.kind == .cached, recipe.train.steps == 0 else { return nil }
            return (
                "teacher.kind is cached, but train.steps is 0: nothing would be taken from the cache",
                "set teacher.kind to live"
            )
        },
        RecipeRule(
            fields: ["schedule.warmup_steps", "train.steps"],
            statement: "`schedule.warmup_steps` is not above `train.steps`."
        ) { recipe in
            guard recipe.schedule.warmupSteps > recipe.train.steps else { return nil }
            return (
                "schedule.warmup_steps is \(recipe.schedule.warmupSteps), more than train.steps,"
                    + " \(recipe.train.steps)",
                "set schedule.warmup_steps to \(recipe.train.steps) or less"
            )
        },
        RecipeRule(
            fields: ["loss.reverse_kl", "loss.cross_entropy"],
            statement: "`loss.reverse_kl` is 0 where `loss.cross_entropy` is 1."
        ) { recipe in
            guard recipe.loss.crossEntropy == 1, recipe.loss.reverseKL > 0 else { return nil }
            return (
                "loss.reverse_kl is above 0, but loss.cross_entropy 1 leaves no divergence",
                "lower loss.cross_entropy, or set loss.reverse_kl to 0"
            )
        },
        RecipeRule(
            fields: ["loss.hidden", "teacher.kind"],
            statement: "`teacher.kind` is live where `loss.hidden` is above 0."
        ) { recipe in
            guard recipe.loss.hidden > 0, recipe.teacher.kind == .cached else { return nil }
            return (
                "loss.hidden is above 0, but a cached teacher has no hidden states",
                "set teacher.kind to live, or loss.hidden to 0"
            )
        },
        RecipeRule(
            fields: ["loss.reverse_kl", "teacher.kind"],
            statement: "`teacher.kind` is live where `loss.reverse_kl` is above 0."
        ) { recipe in
            guard recipe.loss.reverseKL > 0, recipe.teacher.kind == .cached else { return nil }
            return (
                "loss.reverse_kl is above 0, but a cached teacher lacks the small probabilities that it depends on",
                "set teacher.kind to live, or loss.reverse_kl to 0"
            )
        },
        RecipeRule(
            fields: ["evaluation.patience", "evaluation.every"],
            statement: "`evaluation.every` is above 0 where `evaluation.patience` is given."
        ) { recipe in
            guard recipe.evaluation.patience != nil, recipe.evaluation.every == 0 else { return nil }
            return (
                "evaluation.patience is given, but evaluation.every 0 means no evaluations",
                "set evaluation.every to 1 or more, or evaluation.patience to none"
            )
        },
    ]
}
