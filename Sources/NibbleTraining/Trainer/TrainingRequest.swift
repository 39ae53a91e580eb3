public import NibbleNumerics

/// What to train on what, and where the run is kept.
public struct TrainingRequest: Sendable {
    /// The unquantized checkpoint: a hub folder or a GGUF file.
    public var teacher: String
    /// Files and folders of training text, or `NAME=PATH`: of the kind that has the name in `train.mixture`.
    public var texts: [String]
    /// Sequences that the teacher writes at most, besides ``texts``; nil where it writes none.
    public var selfSequences: Int?
    /// Where a cached teacher's probabilities are; nil: in the run folder.
    public var teacherCache: String?
    /// Files and folders of held-out text; empty takes sequences out of the training text.
    public var heldOutTexts: [String] = []
    /// Field of JSON lines that holds the text.
    public var textField = "text"
    /// The run folder.
    public var output: String
    /// Everything else.
    public var recipe = Recipe()
    /// What the recipe is called in messages.
    public var recipePath = "recipe"
    /// Threads that compute.
    public var threads: Int
    /// The instruction level of the kernels.
    public var level = KernelLevel.best
    /// Whether a run at ``output`` goes on; one that is not there begins.
    public var resumes = false
    /// Bytes of memory that may be used; nil: what the machine has.
    public var memoryLimit: Int?
    /// The version of the program, for provenance.
    public var version: String

    /// A request with the default recipe.
    public init(teacher: String, texts: [String], output: String, threads: Int, version: String) {
        precondition(threads > 0, "\(threads) threads")
        self.teacher = teacher
        self.texts = texts
        self.output = output
        self.threads = threads
        self.version = version
    }
}
