public import NibbleCheckpoint
internal import NibbleModel
public import NibbleNumerics
public import NibbleTensor
internal import NibbleTokenizer

/// Models and texts by their paths, and how to evaluate them.
///
/// ```swift
/// var request = EvaluationRequest(models: ["gemma.bf16.gguf", "gemma.q4_0.gguf"], texts: ["wiki.txt"], threads: 2)
/// request.chunkLimit = 40
/// print(try Evaluator(request).run().rows[1].perplexity.value)
/// ```
public struct EvaluationRequest: Sendable {
    /// Paths of the models; the first is the base of divergences.
    public var models: [String]
    /// Paths of the texts, or `NAME=PATH`: a file, a folder whose files are documents of one text, or a `.jsonl` file
    /// whose lines are.
    public var texts: [String]
    /// Tokens of a chunk.
    public var context = 512
    /// Distance of chunks, where they shall overlap.
    public var stride: Int?
    /// The largest number of chunks of each text.
    public var chunkLimit: Int?
    /// In which numbers products are computed.
    public var precision = Precision.automatic
    /// Threads.
    public var threads: Int
    /// The instruction level of the kernels.
    public var level = KernelLevel.best
    /// A second model that divergences are measured from; it may be one of ``models``.
    public var secondBase: String?
    /// A file of base logits to compare the model with, instead of a base model and texts.
    public var logits: String?
    /// Where to write the first model's logits.
    public var savedLogits: String?
    /// Whether an existing file at ``savedLogits`` is replaced.
    public var replacesLogits = false

    /// Creates a request with llama-perplexity's defaults.
    public init(models: [String], texts: [String], threads: Int) {
        self.models = models
        self.texts = texts
        self.threads = threads
    }
}

extension EvaluationRequest {
    /// Where the texts are.
    var textPaths: [String] { texts.map { NamedPath($0).path } }

    /// All models that are evaluated: the second base last, where it is none of the others.
    var allModels: [String] {
        models + (secondBase.map { models.contains($0) ? [] : [$0] } ?? [])
    }
}

extension Evaluator {
    /// Opens models and texts.
    ///
    /// - Throws: ``CheckpointError`` where one cannot be read, tokenizers give different tokens, or the machine cannot
    ///   compute in the precision asked for.
    public convenience init(_ request: EvaluationRequest) throws(CheckpointError) {
        precondition(!request.models.isEmpty, "no models")
        let compute = try Compute.checked(
            threads: request.threads, precision: request.precision, level: request.level,
            path: request.models[0])
        var models: [LanguageModel] = []
        var tokenizers: [Tokenizer] = []
        var notes: [CheckpointNote] = []
        var files = request.textPaths
        for path in request.allModels {
            let checkpoint = try ModelCheckpoint(path: path)
            models.append(try LanguageModel(checkpoint, compute: compute))
            tokenizers.append(try Tokenizer(checkpoint))
            notes += checkpoint.notes + (tokenizers.last?.vocabulary.notes ?? [])
            files += checkpoint.files
        }
        try Self.checkSavedLogits(request, inputs: files)
        let bos = tokenizers[0].addsBeginning ? tokenizers[0].beginning : nil
        if let logits = request.logits {
            try self.init(
                models[0], logits: try LogitsFileReader(path: logits), chunkLimit: request.chunkLimit,
                bos: bos)
            self.notes = notes + self.notes
            return
        }
        try MappedFile.checkStandardInput(request.textPaths)
        var texts: [TokenizedText] = []
        for argument in request.texts {
            let text = try EvaluationText(argument)
            if !text.conversations.isEmpty {
                texts.append(try Self.conversations(of: text, tokenizers, request, &notes))
                continue
            }
            texts.append(
                TokenizedText(
                    name: text.name, tokens: try Self.tokens(of: text, tokenizers, request.allModels),
                    documents: text.documents.map(\.name), starts: text.starts(tokenizers[0])))
        }
        try self.init(
            models, tokenized: texts, context: request.context, stride: request.stride,
            chunkLimit: request.chunkLimit, bos: bos, logitsPath: request.savedLogits,
            replacesLogits: request.replacesLogits)
        tokenizer = tokenizers[0]
        secondBase = request.secondBase.flatMap(request.allModels.lastIndex)
        self.notes = notes + self.notes
    }

    /// Files of logits are written beside their place and renamed: what is there is gone, so that it must be no input.
    private static func checkSavedLogits(
        _ request: EvaluationRequest, inputs: [String]
    ) throws(CheckpointError) {
        guard let path = request.savedLogits else { return }
        try OutputPlace(file: path).check(replacing: request.replacesLogits)
        guard let identity = FileIdentity(path: path),
            let input = inputs.first(where: { FileIdentity(path: $0) == identity })
        else { return }
        throw CheckpointError(
            .invalidRequest, path: path, "is an input (\(input)); its place cannot take the logits",
            advice: "choose another file")
    }

    /// The tokens of a text, which must be the same for all models.
    private static func tokens(
        of text: EvaluationText, _ tokenizers: [Tokenizer], _ paths: [String]
    ) throws(CheckpointError) -> [Int32] {
        let tokens = try text.tokens(tokenizers[0], path: paths[0])
        for (tokenizer, path) in zip(tokenizers, paths).dropFirst() {
            try checkSame(try text.tokens(tokenizer, path: path), tokens, of: text.name, path, paths[0])
        }
        return tokens
    }

    /// Refuses a tokenizer that gives others than `tokens` of a text.
    static func checkSame(
        _ others: [Int32], _ tokens: [Int32], of name: String, _ path: String, _ base: String
    ) throws(CheckpointError) {
        guard others != tokens else { return }
        let index =
            zip(tokens, others).enumerated().first { $1.0 != $1.1 }?.offset
            ?? min(tokens.count, others.count)
        throw CheckpointError(
            .inconsistent, path: path, subject: "tokenizer",
            "cuts \(name) into other tokens than \(base) does, from token \(index) on",
            advice: "compare models of one tokenizer")
    }
}
