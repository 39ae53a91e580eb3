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
            "The type that is trained for. int4 and sfp8 are written as a hub folder, int4 with one"
                + " scale for a row, int4_32, int4_64 and int4_128 with one for so many weights; all others"
                + " are types of a GGUF file."),
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
            "recomputed: the scale of each block follows from its weights in each step; learned:"
                + " scales are trained by their own gradient and written to the file; auto: learned where"
                + " all trained matrices are Q4_0, Q5_0 or Q8_0."),
        RecipeField(
            "quantization", "gradient", \.quantization.gradient, .word,
            "The straight-through estimator. identity: the gradient of a rounded weight is that of the"
                + " weight; masked: 0 where the weight was clipped. Learned scales have a rule of their own"
                + " for clipped weights."),
        RecipeField(
            "quantization", "activations", \.quantization.activations, .word,
            "int8: the inputs of quantized matrices are rounded to int8 in blocks of 32 in training,"
                + " as llama.cpp does when it computes with such files."),
        RecipeField(
            "quantization", "start_step", \.quantization.startStep, .integer(0...1_000_000),
            "Steps before fake quantization begins."),
    ]

    private static let trainingFields: [RecipeField] = [
        RecipeField(
            "train", "parameters", \.train.parameters, .set(),
            "What is trained: linear: matrices of attention and feed-forward layers; norms: norms and"
                + " biases; embedding: the token embedding and the vocabulary head; scales: scales of"
                + " blocks, which are trained along wherever quantization.scales is learned, and alone where"
                + " nothing else is named."),
        RecipeField(
            "train", "steps", \.train.steps, .integer(0...1_000_000),
            "Updates of the weights; 0: weights are calibrated and written, and not trained."),
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
            "Whether the student begins with weights that are drawn at random within their cells of"
                + " the teacher's own quantization; auto: where the teacher's weights lie on a lattice. The"
                + " teacher keeps its weights."),
        RecipeField(
            "train", "dither_seed", \.train.ditherSeed, .integer(0 ... .max), former: "start.dither_seed",
            "The seed of these draws."),
        RecipeField(
            "train", "mixture", \.train.mixture, .shares,
            "How much of the run, of calibration and of what is held out is of which kind of text: a weight"
                + " for each name of --text NAME=PATH, self for text that the teacher writes; a kind that is"
                + " smaller than its share is gone through more often. none: as much of each as there is."),
    ]

    private static let optimizerFields: [RecipeField] = [
        RecipeField("optimizer", "kind", \.optimizer.kind, .word, "The method."),
        RecipeField(
            "optimizer", "state", \.optimizer.state, .word,
            "In what weights and their moments are kept between steps. f32: 32 bits. int8: moments in"
                + " 8 bits, in blocks with a scale; a weight whose code is held as its code and its way to"
                + " the next one, in 8 bits, other weights in BF16; both rounded stochastically."),
        RecipeField(
            "optimizer", "learning_rate", \.optimizer.learningRate, .number(above: 0, to: 1),
            "The peak learning rate of matrices whose scales are recomputed; others have"
                + " code_learning_rate."),
        RecipeField(
            "optimizer", "code_learning_rate", \.optimizer.codeLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of matrices whose scales are learned, in units of the distance of"
                + " two codes: a weight changes its code when it has moved by half of that."),
        RecipeField(
            "optimizer", "scale_learning_rate", \.optimizer.scaleLearningRate, .number(above: 0, below: 1),
            "The peak learning rate of learned scales, as a share of the scale."),
        RecipeField(
            "optimizer", "norm_learning_rate", \.optimizer.normLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of norms and biases."),
        RecipeField(
            "optimizer", "relative_rates", \.optimizer.relativeRates, .flag,
            "The rate of a matrix is learning_rate times the mean magnitude of its weights, divided by"
                + " the mean magnitude of all trained weights."),
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
            "Gradient clipping: the bound of the global gradient norm. With optimizer.state int8 a"
                + " matrix of n of all N weights is clipped alone, to the bound times the root of n / N."),
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
            "Weight of the squared distance of student and teacher after each block of the model, as a"
                + " share of the teacher's mean square."),
        RecipeField(
            "loss", "token_clip", \.loss.tokenClip, .optional(.number(above: 0)),
            "A token whose divergence exceeds this bound, in nats, has its gradient multiplied by the"
                + " bound divided by the divergence."),
    ]

    private static let teacherFields: [RecipeField] = [
        RecipeField(
            "teacher", "kind", \.teacher.kind, .word,
            "Whether the teacher computes all probabilities in each step, or the largest were computed before."
        ),
        RecipeField(
            "teacher", "top_k", \.teacher.topK, .integer(1...65536), former: "teacher.top",
            "Where the teacher is cached: how many of the largest probabilities of each token are"
                + " kept; all others count as one outcome."),
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
            "Where learned scales begin. importance: at those with the least squared error of the"
                + " weights, each column weighed by the mean square of its input; codec: at those of plain"
                + " rounding."),
        RecipeField(
            "calibration", "token_weights", \.calibration.tokenWeights, .word, former: "start.tokens",
            "How tokens weigh in the Hessians of gptq. gradient: by the norm of the gradient of the"
                + " loss by the outputs of the matrix (GuidedQuant); equal: all alike, and YAQA is left out."),
        RecipeField(
            "calibration", "gptaq", \.calibration.gptaq, .number(from: 0, to: 1),
            former: "start.compensation",
            "With gptq: the share of GPTAQ's correction of a matrix for the errors that rounding"
                + " earlier matrices made in its inputs; 0: none."),
        RecipeField(
            "calibration", "yaqa", \.calibration.yaqa, .flag,
            "With gptq and token weights of the gradient: whether the error of an output is also made"
                + " up for by outputs that are not rounded yet (YAQA)."),
        RecipeField(
            "calibration", "coordinate_descent", \.calibration.coordinateDescent, .flag,
            "Whether codes and scales are improved in turn after gptq, each while the others stay"
                + " (coordinate descent)."),
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
            "evaluation", "chunks", \.evaluation.chunks, .automatic(.integer(1...1_000_000)),
            "Sequences of held-out text that are evaluated, of train.sequence_length tokens each; auto: 64;"
                + " where they are taken from the training text, an eighth of it, and of each of its kinds, at most."
        ),
        RecipeField(
            "evaluation", "patience", \.evaluation.patience, .optional(.integer(1...1_000_000)),
            "The run stops after so many evaluations without a smaller divergence on held-out text;"
                + " none: it goes to its end."),
    ]

    private static let checkpointFields: [RecipeField] = [
        RecipeField(
            "checkpoints", "every", \.checkpoints.every, .integer(1...1_000_000),
            "Steps between two saved states."),
        RecipeField(
            "checkpoints", "keep", \.checkpoints.keep, .integer(1...1_000_000),
            "Saved states that are kept: the latest ones, and the best one besides."),
    ]
}
