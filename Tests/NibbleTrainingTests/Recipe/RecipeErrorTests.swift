import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("Broken recipes")
struct RecipeErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var yaml: String
        var line: Int
        var message: String
        var testDescription: String { message }

        init(_ yaml: String, _ line: Int, _ message: String) {
            self.yaml = yaml
            self.line = line
            self.message = message
        }
    }

    static let cases: [Case] = [
        // Names
        Case("train:\n  step: 3", 2, "has an unknown field 'train.step'; did you mean 'steps'?"),
        Case("train:\n  learning_rate: 3", 2, "did you mean 'optimizer.learning_rate'?"),
        Case("train:\n  foo: 3", 2, "fields of this section: parameters, steps"),
        Case("optimiser:\n  beta1: 0", 1, "has an unknown section 'optimiser'; did you mean 'optimizer'?"),
        Case("train.steps: 3", 1, "has an unknown section 'train.steps'"),
        Case("train:\n  steps: 3\n  seed: 1\n  steps: 4", 2, "has 'steps' twice"),
        Case("train:\n  steps: 3\nloss: {}\ntrain: {}", 1, "has 'train' twice"),
        // Types
        Case("train:\n  seed: 2\n  steps: many", 3, "train.steps is many, expected an integer from 0"),
        Case("train:\n  steps: 1.5", 2, "train.steps is 1.5, expected an integer"),
        Case("train:\n  steps: \"10\"", 2, "train.steps is \"10\", expected an integer"),
        Case("train:\n  steps:", 2, "train.steps is empty"),
        Case("train:\n  steps: [3]", 2, "train.steps is a list"),
        Case("train:\n  seed: -1", 2, "train.seed is -1, expected an integer of 0 or more"),
        Case("train:\n  seed: 18446744073709551616", 2, "train.seed is 18446744073709551616"),
        Case("train:\n  steps: 1\(String(repeating: "0", count: 100))", 2, "train.steps is 1000"),
        Case("quantization:\n  pure: yes", 2, "quantization.pure is yes, expected true or false"),
        Case("quantization:\n  type: q4_1x", 2, "did you mean 'q4_1'?"),
        Case("quantization:\n  embedding_type: iq1_s", 2, "quantization.embedding_type is iq1_s"),
        Case("quantization:\n  tensor_types: q8_0", 2, "quantization.tensor_types is q8_0, expected a list"),
        Case(
            "quantization:\n  tensor_types:\n    - {pattern: a, type: q8_0}\n    - {type: q8_0}", 4,
            "without pattern"),
        Case("quantization:\n  tensor_types:\n    - pattern: a\n      type: iq3_s", 4, "has type iq3_s"),
        Case(
            "quantization:\n  tensor_types:\n    - pattern: '('\n      type: q8_0", 3, "no regular expression"
        ),
        Case("quantization:\n  tensor_types:\n    - pattern: a\n      to: q8_0", 4, "has a field 'to'"),
        Case("train:\n  parameters: []", 2, "train.parameters is a list, expected one or more"),
        Case("train:\n  parameters:\n  - linear\n  - norm", 4, "has 'norm', expected one or more"),
        Case("train:\n  parameters: [linear, linear]", 2, "has 'linear' twice"),
        Case("train:\n  mixture: code", 2, "train.mixture is code, expected none, or {name: weight, ...}"),
        Case("train:\n  mixture: {}", 2, "train.mixture is a mapping"),
        Case("train:\n  mixture:\n    a: 1\n    b: -1", 4, "has -1 for 'b', expected a number above 0"),
        Case("train:\n  mixture: {a b: 1}", 2, "has the name a b, expected up to 64 letters"),
        Case("train:\n  mixture: {2024: 1}", 2, "a letter first"),
        Case("train:\n  mixture: {Yes: 1}", 2, "no word of YAML's"),
        Case("train:\n  mixture: {a: 0.0005, b: 0.9995}", 2, "at least a thousandth of all"),
        Case("train:\n  mixture: {a: 1, a: 2}", 2, "has 'a' twice"),
        Case("train:\n  mixture: {a: 1, b: 1e-4}", 2, "at least a thousandth of all"),
        Case("evaluation:\n  chunks: none", 2, "evaluation.chunks is none, expected auto, or an integer"),
        Case("train:\n  steps: !!binary aGk=", 2, "has the YAML tag"),
        // Ranges
        Case("train:\n  sequence_length: 48", 2, "expected a multiple of 32 from 32 to 131072"),
        Case("train:\n  steps: -1", 2, "train.steps is -1"),
        Case(
            "train:\n  steps: 0\nschedule:\n  warmup_steps: 0\nteacher:\n  kind: cached", 6,
            "nothing would be taken"),
        Case("optimizer:\n  beta1: 1", 2, "optimizer.beta1 is 1, expected a number of 0 or more, below 1"),
        Case("optimizer:\n  learning_rate: 1e400", 2, "optimizer.learning_rate is 1e400, expected a number"),
        Case("optimizer:\n  learning_rate: 1e-60", 2, "which a 32-bit number rounds to 0"),
        Case(
            "optimizer:\n  clip_norm: inf", 2,
            "optimizer.clip_norm is inf, expected none, or a number above 0"),
        Case("optimizer:\n  clip_norm: .inf", 2, "optimizer.clip_norm is .inf"),
        Case("optimizer:\n  beta2: nan", 2, "optimizer.beta2 is nan"),
        Case("optimizer:\n  beta2: 0x1p-1", 2, "optimizer.beta2 is 0x1p-1"),
        Case("optimizer:\n  weight_decay: -0.1", 2, "optimizer.weight_decay is -0.1"),
        // Contradictions
        Case(
            "train:\n  parameters: [scales]\nquantization:\n  scales: recomputed", 4,
            "quantization.scales is recomputed"),
        Case(
            "quantization: {scales: learned, type: bf16}\ntrain: {parameters: [scales]}", 1,
            "expected q4_0, q5_0 or q8_0"),
        Case(
            "quantization: {scales: learned, start_step: 3}\ntrain: {parameters: [scales]}", 2,
            "nothing but scales"),
        Case("calibration: {method: gptq}\nquantization: {type: q4_k_s}", 2, "quantization.type is q4_k_s"),
        Case(
            "calibration: {method: gptq}\nquantization: {scales: recomputed}", 2,
            "calibration.method is gptq, but quantization.scales is recomputed"),
        Case(
            "calibration: {method: gptq}\nquantization: {start_step: 3}", 2,
            "calibration.method is gptq, but quantization.start_step is 3"),
        Case(
            "quantization: {type: int4_32, scales: learned}", 1,
            "quantization.type is int4_32, expected q4_0, q5_0 or q8_0"),
        Case("calibration: {method: gptq}\nquantization: {type: sfp8}", 2, "quantization.type is sfp8"),
        Case("quantization:\n  type: int4\n  gradient: masked", 3, "these clip no value"),
        Case("quantization:\n  type: int4\n  activations: int8", 3, "their products take no int8"),
        Case("quantization:\n  type: sfp8\n  pure: true", 3, "these have no mixture"),
        Case("quantization:\n  type: int4\n  embedding_type: q8_0", 3, "the embedding stays as it is there"),
        Case("quantization:\n  type: int4\n  output_type: q8_0", 3, "the vocabulary head stays"),
        Case(
            "quantization:\n  type: int4\n  tensor_types:\n  - {pattern: a, type: q8_0}", 3,
            "all matrices of blocks have one type there"),
        Case("quantization:\n  type: int4_16", 2, "did you mean 'int4_"),
        Case("train:\n  steps: 3\nschedule:\n  warmup_steps: 4", 4, "more than train.steps, 3"),
        Case("quantization:\n  start_step: 9\ntrain:\n  steps: 9", 4, "nothing would be quantized"),
        Case("loss:\n  cross_entropy: 1\n  reverse_kl: 0.5", 3, "leaves no divergence"),
        Case("loss:\n  hidden: 1\nteacher:\n  kind: cached", 4, "no hidden states"),
        Case("evaluation:\n  patience: 2\n  every: 0", 3, "means no evaluations"),
        // YAML
        Case("", 1, "is empty; write {}"),
        Case("# nothing", 1, "is empty"),
        Case("\n\n- a", 3, "is a list, expected a mapping of sections"),
        Case("steps", 1, "is steps, expected a mapping of sections"),
        Case("train: 3", 1, "section train is 3, expected a mapping"),
        Case("train:\n\tsteps: 3", 2, "YAML takes no tabs"),
        Case("train:\n  steps: 3\n---\ntrain: {}", 3, "is no YAML"),
        Case("train: {steps: 3", 1, "is no YAML"),
        Case("train:\n  steps: \"3", 2, "is no YAML"),
        Case("? [a, b]\n: 3", 1, "has a key that is no name"),
        Case("train:\n  steps: 3\na: &a [1, 2]\nb: [*a, *a]", 3, "has a '&'"),
        Case("train:\n  steps: *a", 2, "is no YAML: found undefined alias"),
        Case("train:\n  steps: 3\u{1}", 2, "is no YAML"),
        Case("train:\n  parameters: [[[[[[[[[linear]]]]]]]]]", 2, "levels of nesting"),
    ]

    @Test("are refused with the line of the flaw", arguments: cases)
    func refused(_ flaw: Case) {
        let error = #expect(throws: TrainingError.self) { try Recipe(yaml: flaw.yaml, path: "a.yaml") }
        #expect(error?.code == .invalidRecipe)
        #expect(error?.line == flaw.line, "\(error?.description ?? "")")
        #expect(error?.description.contains(flaw.message) == true, "\(error?.description ?? "")")
    }

    @Test(
        "nested deeply are refused",
        arguments: ["[", "{a: ", "- ", "? ", "{[", "a:\n", "[{", "\"[", "- - [", "!a ", "|\n "])
    func deeplyNested(opening: String) {
        for count in [100, 990, 1010, 9000] {
            let yaml = String(repeating: opening, count: count)
            #expect(throws: TrainingError.self) { try Recipe(yaml: "train: " + yaml, path: "a.yaml") }
            #expect(throws: TrainingError.self) { try Recipe(yaml: yaml, path: "a.yaml") }
        }
    }

    @Test("that are too large, no text, or absent are refused")
    func files() throws {
        let folder = try TemporaryFolder()
        let large = try folder.write([UInt8](repeating: UInt8(ascii: " "), count: 70_000), to: "large.yaml")
        #expect(throws: TrainingError.self) { try Recipe(path: large) }
        let binary = try folder.write(Array("train:\n  steps: ".utf8) + [0xFF], to: "binary.yaml")
        let error = #expect(throws: TrainingError.self) { try Recipe(path: binary) }
        #expect(error?.line == 2)
        #expect(error?.problem == "is not valid UTF-8 at byte 16")
        #expect(throws: (any Error).self) { try Recipe(path: folder.file("absent.yaml")) }
        let empty = try folder.write([], to: "empty.yaml")
        #expect(throws: TrainingError.self) { try Recipe(path: empty) }
        let good = try folder.write(Array(Recipe().yaml.utf8), to: "good.yaml")
        #expect(try Recipe(path: good) == Recipe())
    }

    @Test("made by changing good ones at random give errors with a line, or recipes that are in range")
    func mutations() throws {
        var generator = SeededGenerator(seed: 3)
        var source = Recipe()
        source.quantization.tensorTypes = [try .init(pattern: "blk.[0-9]+", type: .q6_k)]
        let original = Array(source.yaml.utf8)
        let pieces = [
            "\t", "\n", ": ", "- ", "[", "]", "{", "}", "*a ", "!!int ", "| ", "\"", "'", "#", "---\n",
            "%YAML 1.2\n",
            "1e400", "nan", "none", "? ", "\u{FEFF}", "\u{2028}", "\u{0}", "99999999999999999999", "<<: ",
            "  ", "~",
        ]
        var accepted = 0
        var refused = 0
        for _ in 0..<4000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...2, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                case 2:
                    let end = min(bytes.count, place + Int.random(in: 0...40, using: &generator))
                    bytes.removeSubrange(place..<end)
                case 3:
                    let end = min(bytes.count, place + Int.random(in: 0...40, using: &generator))
                    bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
                default:
                    bytes.insert(
                        contentsOf: Array((pieces.randomElement(using: &generator) ?? "").utf8), at: place)
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do throws(TrainingError) {
                let recipe = try Recipe(yaml: String(decoding: bytes, as: UTF8.self), path: "a.yaml")
                accepted += 1
                try recipe.validated(path: "a.yaml")
                let again = try Recipe(yaml: recipe.yaml, path: "b.yaml")
                #expect(again == recipe)
            } catch {
                // Only the text that was changed may be at fault, not what an accepted recipe was written as.
                #expect(error.subject == "a.yaml")
                refused += 1
                #expect(error.line ?? 0 >= 1)
            }
        }
        #expect(accepted > 50, "\(accepted)")
        #expect(refused > 1000, "\(refused)")
    }
}
