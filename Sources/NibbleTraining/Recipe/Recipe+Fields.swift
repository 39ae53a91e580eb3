internal import NibbleCalibration
internal import NibbleTensor

extension Recipe {
    /// All fields, in the order in which they are written.
    static let fields: [RecipeField] =
        quantizationFields + trainingFields + optimizerFields + scheduleFields + lossFields + teacherFields
        + calibrationFields + evaluationFields + checkpointFields

    /// The sections, in the order in which they are written.
    static let sections: [String] = fields.reduce(into: []) { sections, field in
        if sections.last != field.section { sections.append(field.section) }
    }

    private static let quantizationFields: [RecipeField] = [
        RecipeField(
            "quantization", "type", \.quantization.type, .word,
            "The type that is trained for: of a GGUF file, or, from int4 on, of a hub folder."),
        RecipeField(
            "quantization", "pure", \.quantization.pure, .flag,
            "Every tensor gets the default type, the rules of llama-quantize's mixture left out."),
        RecipeField(
            "quantization", "embedding_type", \.quantization.embeddingType, .optional(.elementType),
            "The type of the token embedding; none: as the mixture has it."),
        RecipeField(
            "quantization", "output_type", \.quantization.outputType, .optional(.elementType),
            "The type of the vocabulary head; none: as the mixture has it."),
        RecipeField(
            "quantization", "tensor_types", \.quantization.tensorTypes, .overrides,
            "Types by GGUF tensor name; the first pattern that is found in the name wins."),
        RecipeField(
            "quantization", "scales", \.quantization.scales, .word,
            "Whether the scale of each block is chosen anew from its weights in each step, or trained and written"
                + " to the file as learned."),
        RecipeField(
            "quantization", "gradient", \.quantization.gradient, .word,
            "The straight-through estimator: 1 for all values, or 0 for those that were clipped, as it always is with"
                + " learned scales."),
        RecipeField(
            "quantization", "activations", \.quantization.activations, .word,
            "Fake quantization of activations in training."),
        RecipeField(
            "quantization", "start_step", \.quantization.startStep, .integer(0...1_000_000),
            "Steps before fake quantization begins."),
    ]

    private static let trainingFields: [RecipeField] = [
        RecipeField(
            "train", "parameters", \.train.parameters, .set(),
            "The weights that change: matrices of attention and feed-forward layers, norms, the token embedding,"
                + " learned scales."),
        RecipeField(
            "train", "steps", \.train.steps, .integer(0...1_000_000),
            "Updates of the weights; 0: they are rounded as training would begin, no more."),
        RecipeField(
            "train", "sequence_length", \.train.sequenceLength, .integer(32...131_072, multipleOf: 32),
            "Tokens of a sequence."),
        RecipeField(
            "train", "sequences_per_step", \.train.sequencesPerStep, .integer(1...4096),
            "Sequences whose gradients make one update."),
        RecipeField(
            "train", "seed", \.train.seed, .integer(0 ... .max),
            "The seed of the order of sequences, and of text that the teacher writes."),
        RecipeField(
            "train", "precision", \.train.precision, .word,
            "In which numbers products are computed; auto: the fastest that the machine has."),
        RecipeField(
            "train", "recompute", \.train.recompute, .word,
            "Gradient checkpointing: what is computed again in the backward pass rather than kept; auto: blocks"
                + " where memory would not suffice."),
        RecipeField(
            "train", "dither", \.train.dither, .word, former: "start.dither",
            "Whether the student starts from weights drawn within the cells of the teacher's quantization grid;"
                + " auto: where the teacher lies on one."),
        RecipeField(
            "train", "dither_seed", \.train.ditherSeed, .integer(0 ... .max), former: "start.dither_seed",
            "The seed of these draws."),
    ]

    private static let optimizerFields: [RecipeField] = [
        RecipeField("optimizer", "kind", \.optimizer.kind, .word, "The method."),
        RecipeField(
            "optimizer", "state", \.optimizer.state, .word,
            "In what weights and their moments are kept between steps: 32 bits, or 8 (moments by block; of a weight whose"
                + " code is held its way to another code, of others BF16; rounded stochastically)."),
        RecipeField(
            "optimizer", "learning_rate", \.optimizer.learningRate, .number(above: 0, to: 1),
            "The peak learning rate of weights whose scales are recomputed."),
        RecipeField(
            "optimizer", "code_learning_rate", \.optimizer.codeLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of weights whose scales are learned, in steps between two codes: a weight changes"
                + " its code when it has moved by half of one."),
        RecipeField(
            "optimizer", "scale_learning_rate", \.optimizer.scaleLearningRate, .number(above: 0, below: 1),
            "The peak learning rate of learned scales, as a share of the scale."),
        RecipeField(
            "optimizer", "norm_learning_rate", \.optimizer.normLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of norms and biases."),
        RecipeField(
            "optimizer", "relative_rates", \.optimizer.relativeRates, .flag,
            "`learning_rate` of a matrix is multiplied by the mean magnitude of its weights, as a multiple of that of"
                + " all matrices."),
        RecipeField(
            "optimizer", "beta1", \.optimizer.beta1, .number(from: 0, below: 1),
            "Decay of the mean of gradients."),
        RecipeField(
            "optimizer", "beta2", \.optimizer.beta2, .number(from: 0, below: 1),
            "Decay of the mean of squared gradients."),
        RecipeField(
            "optimizer", "epsilon", \.optimizer.epsilon, .number(above: 0, to: 1),
            "What is added to the root of the mean of squared gradients."),
        RecipeField(
            "optimizer", "weight_decay", \.optimizer.weightDecay, .number(from: 0, to: 1),
            "Share of a weight that is taken off it in a step, times the learning rate."),
        RecipeField(
            "optimizer", "clip_norm", \.optimizer.clipNorm, .optional(.number(above: 0)),
            "Gradient clipping: the bound of the global gradient norm; with optimizer.state int8, which updates matrices one by one,"
                + " each is clipped to its share of it (the root of its share of the weights)."),
    ]

    private static let scheduleFields: [RecipeField] = [
        RecipeField(
            "schedule", "kind", \.schedule.kind, .word, "The shape of the learning rates after the warm-up."),
        RecipeField(
            "schedule", "warmup_steps", \.schedule.warmupSteps, .integer(0...1_000_000),
            "Steps in which the rates rise linearly to their peak."),
        RecipeField(
            "schedule", "final_fraction", \.schedule.finalFraction, .number(from: 0, to: 1),
            "Share of the peak rates that is left at the end; constant schedules keep them."),
    ]

    private static let lossFields: [RecipeField] = [
        RecipeField(
            "loss", "temperature", \.loss.temperature, .number(above: 0, to: 100),
            "What the logits of both models are divided by in the divergences."),
        RecipeField(
            "loss", "cross_entropy", \.loss.crossEntropy, .number(from: 0, to: 1),
            "Weight of the cross-entropy of the text itself, the divergence having the rest."),
        RecipeField(
            "loss", "reverse_kl", \.loss.reverseKL, .number(from: 0, to: 1), former: "loss.reverse",
            "Weight of KL(student ‖ teacher) within the divergence, KL(teacher ‖ student) having the rest."),
        RecipeField(
            "loss", "hidden", \.loss.hidden, .number(from: 0),
            "Weight of the distance between hidden states after each block."),
        RecipeField(
            "loss", "token_clip", \.loss.tokenClip, .optional(.number(above: 0)),
            "What a token contributes at most, in nats; its gradient is scaled down to that."),
    ]

    private static let teacherFields: [RecipeField] = [
        RecipeField(
            "teacher", "kind", \.teacher.kind, .word,
            "Whether the teacher computes all probabilities in each step, or the largest were computed before."
        ),
        RecipeField(
            "teacher", "top_k", \.teacher.topK, .integer(1...65536), former: "teacher.top",
            "Probabilities that are kept of a token, where they are cached."),
    ]

    private static let calibrationFields: [RecipeField] = [
        RecipeField(
            "calibration", "method", \.calibration.method, .word(former: ["teacher": .nearest]),
            former: "start.weights",
            "How weights are rounded before the first step: nearest: each to the nearest code; gptq: so that the outputs on"
                + " the training text change least (GPTQ, YAQA, coordinate descent); auto: gptq where scales are learned"
                + " from the first step on."
        ),
        RecipeField(
            "calibration", "scales", \.calibration.scales, .word, former: "start.scales",
            "Where learned scales begin: at those that weigh the error of each column by the mean square of its input,"
                + " as an importance matrix does, or at those that the codec chooses."),
        RecipeField(
            "calibration", "token_weights", \.calibration.tokenWeights, .word, former: "start.tokens",
            "How tokens weigh in the Hessians of gptq: by the size of the loss' gradient by the outputs of each matrix"
                + " (GuidedQuant), or equal; with equal weights YAQA is left out."),
        RecipeField(
            "calibration", "gptaq", \.calibration.gptaq, .number(from: 0, to: 1),
            former: "start.compensation",
            "The share of GPTAQ's correction for what was lost before a matrix, with gptq; 0: none."),
        RecipeField(
            "calibration", "yaqa", \.calibration.yaqa, .flag,
            "Whether errors are fed back from output to output (YAQA), with gptq and token weights of the gradient."
        ),
        RecipeField(
            "calibration", "coordinate_descent", \.calibration.coordinateDescent, .flag,
            "Whether codes and scales take turns after gptq (coordinate descent)."),
        RecipeField(
            "calibration", "sequences", \.calibration.sequences, .integer(1...1_000_000),
            former: "start.importance_sequences",
            "Sequences of the training text that calibration passes through the model."),
    ]

    private static let evaluationFields: [RecipeField] = [
        RecipeField(
            "evaluation", "every", \.evaluation.every, .integer(0...1_000_000),
            "Steps between two evaluations on held-out text; 0: none."),
        RecipeField(
            "evaluation", "chunks", \.evaluation.chunks, .integer(1...1_000_000), "Held-out sequences."),
        RecipeField(
            "evaluation", "patience", \.evaluation.patience, .optional(.integer(1...1_000_000)),
            "Evaluations without progress before the run stops; none: it goes to its end."),
    ]

    private static let checkpointFields: [RecipeField] = [
        RecipeField(
            "checkpoints", "every", \.checkpoints.every, .integer(1...1_000_000),
            "Steps between two saved states."),
        RecipeField(
            "checkpoints", "keep", \.checkpoints.keep, .integer(1...1_000_000),
            "Saved states that are kept, the latest ones."),
    ]
}
