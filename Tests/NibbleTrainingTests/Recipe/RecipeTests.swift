import NibbleCalibration
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("Recipes")
struct RecipeTests {
    @Test("are read field by field, the rest having defaults")
    func reading() throws {
        let recipe = try Recipe(
            yaml: """
                # a comment
                quantization:
                  type: q4_k_m
                  embedding_type: Q8_0
                  tensor_types:
                    - pattern: 'blk\\.0\\.ffn_down'
                      type: q6_k
                    - {pattern: "attn_v", type: f16}
                train:
                  parameters: [norms, linear]
                  steps: 12
                  precision: f32
                optimizer:
                  learning_rate: 2e-5
                  clip_norm: 2.5
                schedule:
                  # all of it left out
                evaluation: {every: 0}
                """, path: "a.yaml")
        var expected = Recipe()
        expected.quantization.type = .q4_k_m
        expected.quantization.embeddingType = .q8_0
        expected.quantization.tensorTypes = [
            try .init(pattern: "blk\\.0\\.ffn_down", type: .q6_k), try .init(pattern: "attn_v", type: .f16),
        ]
        expected.train.parameters = [.linear, .norms]
        expected.train.steps = 12
        expected.train.precision = .f32
        expected.optimizer.learningRate = 2e-5
        expected.optimizer.clipNorm = 2.5
        expected.evaluation.every = 0
        #expect(recipe == expected)
    }

    @Test("have the documented defaults")
    func defaults() throws {
        let recipe = try Recipe(yaml: "{}", path: "a.yaml")
        #expect(recipe == Recipe())
        #expect(
            recipe.yaml == """
                quantization:
                  type: q4_0
                  pure: false
                  embedding_type: none
                  output_type: none
                  tensor_types: []
                  scales: auto
                  gradient: identity
                  activations: none
                  start_step: 0
                train:
                  parameters: [linear, norms]
                  steps: 60
                  sequence_length: 512
                  sequences_per_step: 4
                  seed: 1
                  precision: auto
                  recompute: auto
                  dither: auto
                  dither_seed: 1
                  mixture: none
                optimizer:
                  kind: adamw
                  state: f32
                  learning_rate: 2e-05
                  code_learning_rate: 0.02
                  scale_learning_rate: 0.001
                  norm_learning_rate: 0.0001
                  relative_rates: true
                  beta1: 0.9
                  beta2: 0.98
                  epsilon: 1e-08
                  weight_decay: 0
                  clip_norm: none
                schedule:
                  kind: cosine
                  warmup_steps: 5
                  final_fraction: 0
                loss:
                  temperature: 1
                  cross_entropy: 0
                  reverse_kl: 0
                  hidden: 0
                  token_clip: none
                teacher:
                  kind: live
                  top_k: 256
                calibration:
                  method: auto
                  scales: importance
                  token_weights: gradient
                  gptaq: 0.5
                  yaqa: true
                  coordinate_descent: true
                  sequences: 256
                evaluation:
                  every: 30
                  chunks: auto
                  patience: none
                checkpoints:
                  every: 20
                  keep: 2

                """)
    }

    @Test("take the names that fields had until one version ago, with a note, and no field twice")
    func renamed() throws {
        let text =
            "start: {weights: teacher, scales: codec, tokens: equal, compensation: 0.25, importance_sequences: 7, "
            + "dither: never, dither_seed: 3}\n"
            + "loss: {reverse: 0.5}\nteacher: {top: 9}\n"
        let recipe = try Recipe(yaml: text, path: "a.yaml")
        var expected = Recipe()
        expected.calibration.method = .nearest
        expected.calibration.tokenWeights = .equal
        (expected.calibration.gptaq, expected.calibration.sequences) = (0.25, 7)
        expected.calibration.scales = .codec
        (expected.train.dither, expected.train.ditherSeed) = (.never, 3)
        (expected.loss.reverseKL, expected.teacher.topK) = (0.5, 9)
        #expect(recipe == expected)
        #expect(recipe.notes.count == 9)
        #expect(
            recipe.notes[0].hasPrefix(
                "start.weights of the recipe is now called calibration.method, and is nearest here"))
        // What is written has the new names alone.
        #expect(try Recipe(yaml: recipe.yaml, path: "a.yaml").notes.isEmpty)
        var set = Recipe()
        try set.set("start.weights", to: "gptq")
        #expect(set.calibration.method == .gptq && set.notes.count == 1)
        let twice = #expect(throws: TrainingError.self) {
            try Recipe(yaml: "teacher:\n  top_k: 3\n  top: 4\n", path: "a.yaml")
        }
        #expect(
            twice?.line == 3 && twice?.problem == "has 'teacher.top_k' and 'teacher.top', which are one field"
        )
    }

    @Test("are written so that they read back as they were, with one digest")
    func roundTrip() throws {
        var recipe = Recipe()
        recipe.quantization.tensorTypes = [
            try .init(pattern: #"a\.b"c' & #[0-9]{2}"#, type: .q5_1), try .init(pattern: "x", type: .bf16),
        ]
        recipe.quantization.scales = .learned
        recipe.train.parameters = [.scales, .embedding]
        recipe.train.seed = .max
        recipe.optimizer.learningRate = 1.2345678e-7
        recipe.optimizer.clipNorm = 3
        recipe.evaluation.patience = 3
        recipe.evaluation.chunks = 5
        recipe.train.mixture = [.init("code", 0.3), .init("self", 2)]
        let read = try Recipe(yaml: recipe.yaml, path: "a.yaml")
        #expect(read == recipe)
        #expect(read.yaml == recipe.yaml)
        #expect(read.digest == recipe.digest)
        #expect(read.digest.count == 64)
        #expect(read.digest != Recipe().digest)
    }

    @Test("are made into plans")
    func plan() throws {
        var quantization = Recipe.Quantization()
        quantization.type = .q4_k_m
        quantization.pure = true
        quantization.embeddingType = .q8_0
        quantization.outputType = .q6_k
        quantization.tensorTypes = [try .init(pattern: "attn", type: .q5_0)]
        let plan = try quantization.plan()
        #expect(plan.type == .q4_k_m && plan.isPure)
        #expect(plan.embeddingType == .q8_0 && plan.outputType == .q6_k)
        #expect(plan.overrides == quantization.tensorTypes)
        quantization.embeddingType = .iq1_s
        #expect(throws: TrainingError.self) { try quantization.plan() }
    }

    @Test("made in code are checked, too")
    func validation() throws {
        var recipe = Recipe()
        #expect(try recipe.validated(path: "code") == recipe)
        recipe.train.sequenceLength = 500
        let error = #expect(throws: TrainingError.self) { try recipe.validated(path: "code") }
        #expect(
            error?.description
                == "code: train.sequence_length is 500, expected a multiple of 32 from 32 to 131072")
        recipe = Recipe()
        recipe.optimizer.learningRate = .nan
        #expect(throws: TrainingError.self) { try recipe.validated(path: "code") }
        recipe = Recipe()
        recipe.train.parameters = []
        #expect(throws: TrainingError.self) { try recipe.validated(path: "code") }
        recipe = Recipe()
        recipe.train.parameters = [.scales]
        recipe.quantization.scales = .recomputed
        #expect(throws: TrainingError.self) { try recipe.validated(path: "code") }
    }

    @Test("are changed by the names of their fields")
    func overrides() throws {
        var recipe = Recipe()
        try recipe.set("optimizer.learning_rate", to: "2e-5")
        try recipe.set("train.parameters", to: "linear, norms")
        try recipe.set("quantization.tensor_types", to: "[{pattern: ffn, type: q8_0}]")
        try recipe.set("evaluation.patience", to: "4")
        recipe.optimizer.clipNorm = 1
        try recipe.set("optimizer.clip_norm", to: "none")
        #expect(recipe.optimizer.learningRate == 2e-5)
        #expect(recipe.train.parameters == [.linear, .norms])
        #expect(recipe.quantization.tensorTypes == [try .init(pattern: "ffn", type: .q8_0)])
        #expect(recipe.evaluation.patience == 4)
        #expect(recipe.optimizer.clipNorm == nil)
    }

    @Test(
        "are left as they were by an override that fails",
        arguments: [
            ("optimizer.learning_rate", "fast", "optimizer.learning_rate is fast, expected a number above 0"),
            ("optimizer.learning_rate", "", "optimizer.learning_rate has 0 bytes that hold no value"),
            ("optimizer.learning_rat", "1", "did you mean 'optimizer.learning_rate'?"),
            ("train.steps", "[", "is no YAML"),
            ("train.steps", "{a: 1}", "train.steps is a mapping"),
            ("train.steps", "1\n---\n2", "is no YAML"),
            ("", "1", "unknown field ''"),
        ])
    func failedOverride(name: String, value: String, message: String) {
        var recipe = Recipe()
        let error = #expect(throws: TrainingError.self) { try recipe.set(name, to: value) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        #expect(error?.line == nil)
        #expect(recipe == Recipe())
    }
}
