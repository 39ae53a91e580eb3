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
    /// The version of Nibble that trained.
    public var nibbleVersion: String
    /// Perplexities on the held-out text by what was measured: `teacher`, `before`, `after`.
    public var perplexities: [String: Double]
    /// SHA-256 of the text that ``perplexities`` were measured on; nil where nothing was measured.
    public var heldOutTextDigest: String?

    /// Creates a provenance.
    ///
    /// - Precondition: `steps` and `tokens` are not negative, no name of a perplexity is empty.
    public init(
        teacherName: String, teacherDigest: String, plan: String, recipeDigest: String, textDigest: String,
        steps: Int, tokens: Int, seed: UInt64, nibbleVersion: String, perplexities: [String: Double] = [:],
        heldOutTextDigest: String? = nil
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
    /// Followed by the name of the perplexity.
    static let perplexity = prefix + "perplexity."
}
