/// How trained weights came about: toward which checkpoint, from which text, for how long, and what was
/// measured of the result.
///
/// It travels inside the file: as `nibble.qat.*` keys of a GGUF file (strings, `uint64`, `float64`), and as
/// strings under the same names in the `__metadata__` of safetensors files.
///
/// ```swift
/// let model = try ModelCheckpoint(path: "gemma.qat.gguf")
/// if let provenance = try model.provenance() { print(provenance.teacherName, provenance.steps) }
/// ```
public struct Provenance: Sendable, Equatable {
    /// The checkpoint whose probabilities were the target, by its name.
    public var teacherName: String
    /// The ``TeacherDigest`` of that checkpoint, 64 hexadecimal digits.
    public var teacherDigest: String
    /// What the weights were trained to be stored as: `q4_0`.
    public var plan: String
    /// SHA-256 of the recipe, 64 hexadecimal digits.
    public var recipeDigest: String
    /// SHA-256 of the text trained on, 64 hexadecimal digits.
    public var textDigest: String
    /// Steps of the optimizer, 0 or more.
    public var steps: Int
    /// Tokens trained on, 0 or more; one seen twice counts twice.
    public var tokens: Int
    /// The seed of everything random.
    public var seed: UInt64
    /// The version of Nibble that wrote the file.
    public var nibbleVersion: String
    /// Perplexities on the held-out text by what was measured: `teacher`; `rounded`, the teacher, or weights drawn within its cells, rounded to nearest;
    /// `calibrated`, the weights before the first step; `trained`, these very weights.
    public var perplexities: [String: Double]
    /// SHA-256 of the text that ``perplexities`` were measured on; nil where nothing was measured.
    public var heldOutTextDigest: String?
    /// How codes were chosen before the first step; nil where the file does not say.
    public var calibration: Calibration?

    /// How codes were chosen before the first step.
    public struct Calibration: Sendable, Equatable {
        /// Tokens of the calibration text; 0 where none was needed.
        public var tokens: Int
        /// SHA-256 of the calibration text, 64 hexadecimal digits; nil where none was needed.
        public var textDigest: String?
        /// What ran on each matrix that is quantized.
        public var methods: [Tensor]

        /// What ran on a matrix.
        public struct Tensor: Sendable, Equatable {
            /// Its GGUF name.
            public var tensor: String
            /// The methods, and one that did not run with its reason:
            /// `guidedquant+gptaq+importance+gptq+coordinate_descent, no yaqa: it has 6912 rows, more than 4096`.
            public var methods: String

            /// Creates an entry.
            public init(tensor: String, methods: String) { (self.tensor, self.methods) = (tensor, methods) }
        }

        /// Creates a record.
        ///
        /// - Precondition: `tokens` is not negative, no name has a tab or newline, no text a newline.
        public init(tokens: Int, textDigest: String?, methods: [Tensor]) {
            precondition(tokens >= 0, "\(tokens) tokens, expected 0 or more")
            self.tokens = tokens
            self.textDigest = textDigest
            self.methods = methods
        }

        /// The same with a line for each matrix, as ``lines`` has them.
        package init(tokens: Int, textDigest: String?, lines: String) {
            self.init(
                tokens: tokens, textDigest: textDigest,
                methods: lines.split(separator: "\n").map { line in
                    let parts = line.split(separator: "\t", maxSplits: 1).map(String.init)
                    return Tensor(tensor: parts.first ?? "", methods: parts.dropFirst().first ?? "")
                })
        }

        /// The methods in the order in which they come first, with the matrices that each ran on.
        package var counts: [(methods: String, count: Int)] {
            var counts: [(methods: String, count: Int)] = []
            for entry in methods {
                if let place = counts.firstIndex(where: { $0.methods == entry.methods }) {
                    counts[place].count += 1
                } else {
                    counts.append((entry.methods, 1))
                }
            }
            return counts
        }

        /// A line for each matrix: name, tab, methods.
        package var lines: String {
            methods.map { "\($0.tensor)\t\($0.methods)" }.joined(separator: "\n")
        }
    }

    /// Creates a provenance.
    ///
    /// - Precondition: `steps` and `tokens` are not negative, no name of a perplexity is empty.
    public init(
        teacherName: String, teacherDigest: String, plan: String, recipeDigest: String, textDigest: String,
        steps: Int, tokens: Int, seed: UInt64, nibbleVersion: String, perplexities: [String: Double] = [:],
        heldOutTextDigest: String? = nil, calibration: Calibration? = nil
    ) {
        precondition(steps >= 0 && tokens >= 0, "\(steps) steps and \(tokens) tokens, expected 0 or more")
        precondition(perplexities[""] == nil, "a perplexity of \(perplexities[""] ?? 0) has an empty name")
        self.teacherName = teacherName
        self.teacherDigest = teacherDigest
        self.plan = plan
        self.recipeDigest = recipeDigest
        self.textDigest = textDigest
        self.steps = steps
        self.tokens = tokens
        self.seed = seed
        self.nibbleVersion = nibbleVersion
        self.perplexities = perplexities
        self.heldOutTextDigest = heldOutTextDigest
        self.calibration = calibration
    }
}

/// The keys of a provenance, the same in both formats.
enum ProvenanceKey {
    /// What all begin with.
    static let prefix = "nibble.qat."
    static let teacherName = prefix + "teacher.name"
    static let teacherDigest = prefix + "teacher.sha256"
    static let plan = prefix + "plan"
    static let recipeDigest = prefix + "recipe.sha256"
    static let textDigest = prefix + "text.sha256"
    static let steps = prefix + "steps"
    static let tokens = prefix + "tokens"
    static let seed = prefix + "seed"
    static let nibbleVersion = prefix + "version"
    static let heldOutTextDigest = prefix + "held_out.sha256"
    static let calibrationTokens = prefix + "calibration.tokens"
    static let calibrationText = prefix + "calibration.text.sha256"
    /// A line for each matrix: name, tab, methods.
    static let calibrationMethods = prefix + "calibration.methods"
    /// Followed by the name of the perplexity.
    static let perplexity = prefix + "perplexity."
}
