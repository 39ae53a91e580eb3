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
            "The format that the run trains for. int4 has one scale for each row; int4_32, int4_64 and int4_128"
                + " have one for 32, 64 or 128 weights. These and sfp8 are written as a hub folder, all"
                + " others as a GGUF file."),
        RecipeField(
            "quantization", "pure", \.quantization.pure, .flag,
            "true: every matrix gets quantization.type, but for those that embedding_type, output_type and"
                + " tensor_types name. false: some get other types by the rules of llama-quantize's mixture."),
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
            "The straight-through estimator where scales are recomputed. identity: the gradient of a rounded"
                + " weight is that of the weight; masked: 0 where the weight is beyond the range of the codes."
        ),
        RecipeField(
            "quantization", "activations", \.quantization.activations, .word,
            "int8: the inputs of quantized matrices are rounded to int8 in blocks of 32 in training,"
                + " as llama.cpp does when it computes with such files."),
        RecipeField(
            "quantization", "start_step", \.quantization.startStep, .integer(0...1_000_000),
            "The number of first steps that train weights without rounding them."),
    ]

    private static let trainingFields: [RecipeField] = [
        RecipeField(
            "train", "parameters", \.train.parameters, .set(),
            "What is trained: linear: matrices of attention and feed-forward layers; norms: norms and"
                + " biases; embedding: the token embedding and the vocabulary head; scales: scales of"
                + " blocks. Learned scales of what is named are always trained; name scales alone to train"
                + " nothing else."),
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
            "The seed of two things: the order of sequences, and the text that the teacher writes."),
        RecipeField(
            "train", "precision", \.train.precision, .word,
            "The number format of matrix products; auto: the fastest of this machine."),
        RecipeField(
            "train", "recompute", \.train.recompute, .word,
            "Gradient checkpointing: what is computed again in the backward pass rather than kept; auto: blocks"
                + " where memory would not suffice."),
        RecipeField(
            "train", "dither", \.train.dither, .word, former: "start.dither",
            "Whether the student begins with weights that are drawn at random within the cells of the type that"
                + " the teacher was quantized to before. auto: where the teacher's weights lie on a"
                + " lattice. The teacher keeps its weights."),
        RecipeField(
            "train", "dither_seed", \.train.ditherSeed, .integer(0 ... .max), former: "start.dither_seed",
            "The seed of these draws."),
        RecipeField(
            "train", "mixture", \.train.mixture, .shares,
            "The share of each kind of text in training, calibration and held-out text, as numbers in proportion."
                + " Names come from --text NAME=PATH; self is text that the teacher writes (--text self). The"
                + " run repeats a kind that is too short for its share. none: all text counts by its size."),
    ]

    private static let optimizerFields: [RecipeField] = [
        RecipeField("optimizer", "kind", \.optimizer.kind, .word, "The method."),
        RecipeField(
            "optimizer", "state", \.optimizer.state, .word,
            "How weights and moments are stored between steps. f32: in 32 bits. int8: moments take 8 bits. A"
                + " weight whose scale is learned is stored as its code and, in 8 bits, how far it has moved"
                + " toward the next code; other weights are stored in BF16. Both are rounded stochastically."),
        RecipeField(
            "optimizer", "learning_rate", \.optimizer.learningRate, .number(above: 0, to: 1),
            "The peak learning rate of matrices whose scales are recomputed; others have"
                + " code_learning_rate."),
        RecipeField(
            "optimizer", "code_learning_rate", \.optimizer.codeLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of matrices whose scales are learned, in units of the distance between"
                + " neighboring codes: a weight changes its code when it has moved by half of that."),
        RecipeField(
            "optimizer", "scale_learning_rate", \.optimizer.scaleLearningRate, .number(above: 0, below: 1),
            "The peak learning rate of learned scales, as a share of the scale."),
        RecipeField(
            "optimizer", "norm_learning_rate", \.optimizer.normLearningRate, .number(above: 0, to: 1),
            "The peak learning rate of norms and biases."),
        RecipeField(
            "optimizer", "relative_rates", \.optimizer.relativeRates, .flag,
            "true: the rate of a matrix whose scales are recomputed is learning_rate times the mean magnitude of"
                + " its weights, divided by that of all trained weights. false: learning_rate for all."),
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
            "Share of a weight that is taken off it in a step, times learning_rate; of matrices whose scales are"
                + " recomputed."),
        RecipeField(
            "optimizer", "clip_norm", \.optimizer.clipNorm, .optional(.number(above: 0)),
            "Gradient clipping: the bound of the global gradient norm. With optimizer.state int8 each matrix is"
                + " clipped alone: one with n of all N trained weights to the bound times the root of n / N."),
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
            "What the logits of both models are divided by in the divergences, which are multiplied by its"
                + " square (Hinton et al. 2015)."),
        RecipeField(
            "loss", "cross_entropy", \.loss.crossEntropy, .number(from: 0, to: 1),
            "Weight of the cross-entropy of the text itself, the divergence having the rest."),
        RecipeField(
            "loss", "reverse_kl", \.loss.reverseKL, .number(from: 0, to: 1), former: "loss.reverse",
            "Weight of KL(student ‖ teacher) within the divergence, KL(teacher ‖ student) having the rest."),
        RecipeField(
            "loss", "hidden", \.loss.hidden, .number(from: 0),
            "Weight of a term that is added to the loss: the squared distance of the student's hidden states from"
                + " the teacher's after each block of the model, relative to the teacher's mean square, summed"
                + " over blocks."),
        RecipeField(
            "loss", "token_clip", \.loss.tokenClip, .optional(.number(above: 0)),
            "A token whose divergence exceeds this bound, in nats, has its gradient multiplied by the"
                + " bound divided by the divergence."),
    ]

    private static let teacherFields: [RecipeField] = [
        RecipeField(
            "teacher", "kind", \.teacher.kind, .word,
            "live: the teacher runs in each step. cached: the run stores the largest probabilities of each token"
                + " before its first step, and reads them in each."
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
            "How weights are rounded before the first step. nearest: each to the nearest code. gptq: so that the outputs on"
                + " the training text change least (GPTQ, with what the fields below add to it). auto: gptq where scales"
                + " are learned and start_step is 0, else nearest."
        ),
        RecipeField(
            "calibration", "scales", \.calibration.scales, .word, former: "start.scales",
            "Where learned scales begin, before gptq improves them. importance: at those with the least squared"
                + " error of the weights, each column weighted by the mean square of its input; codec: at those"
                + " of plain rounding."),
        RecipeField(
            "calibration", "token_weights", \.calibration.tokenWeights, .word, former: "start.tokens",
            "How tokens count in the Hessians of gptq. gradient: by the norm of the gradient of the next-token"
                + " loss at the outputs of the matrix (GuidedQuant); equal: all alike, and YAQA is left out."),
        RecipeField(
            "calibration", "gptaq", \.calibration.gptaq, .number(from: 0, to: 1),
            former: "start.compensation",
            "With gptq: the share of GPTAQ's correction of a matrix for the errors that rounding"
                + " earlier matrices made in its inputs; 0: none."),
        RecipeField(
            "calibration", "yaqa", \.calibration.yaqa, .flag,
            "true: rows that are not rounded yet also compensate for the error of rounded rows (YAQA); with gptq"
                + " and token_weights gradient."),
        RecipeField(
            "calibration", "coordinate_descent", \.calibration.coordinateDescent, .flag,
            "Whether codes and scales are improved in turn after gptq, each while the others stay"
                + " (coordinate descent)."),
        RecipeField(
            "calibration", "sequences", \.calibration.sequences, .integer(1...1_000_000),
            former: "start.importance_sequences",
            "Sequences of the training text that calibration passes through the model, of"
                + " train.sequence_length tokens each."),
    ]

    private static let evaluationFields: [RecipeField] = [
        RecipeField(
            "evaluation", "every", \.evaluation.every, .integer(0...1_000_000),
            "Steps between two evaluations on held-out text, which also come before the first step and after the"
                + " last; 0: none."),
        RecipeField(
            "evaluation", "chunks", \.evaluation.chunks, .automatic(.integer(1...1_000_000)),
            "Sequences of held-out text that are evaluated, of train.sequence_length tokens each; auto: 64,"
                + " but at most an eighth of the training text, and of each of its kinds, where they are taken from it."
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
            "How many of the latest saved states are kept; the one with the least divergence on held-out text is"
                + " kept besides."),
    ]
}
