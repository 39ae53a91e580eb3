public import NibbleEvaluation

/// What an importance matrix is measured of, and where it goes.
///
/// ```swift
/// var request = ImportanceRequest(
///     model: "gemma-3-270m", texts: ["calibration.txt"], output: "gemma.imatrix.gguf", threads: 2)
/// request.chunkLimit = 100
/// let matrix = try ImportanceMeasurement(request).run().matrix
/// ```
public struct ImportanceRequest: Sendable {
    /// The model and the texts, how they are cut in chunks, and how products are computed.
    public var evaluation: EvaluationRequest
    /// The file: in llama-imatrix's older form where its name ends in `.dat`, else in GGUF.
    public var output: String
    /// Whether a file at ``output`` is replaced.
    public var replacesOutput = false
    /// Chunks at the beginning of the texts that are left out: those that another file has already.
    public var skippedChunks = 0
    /// Whether the inputs of a vocabulary head of its own count, too.
    public var includesHead = false
    /// Paths of importance matrices that are added to what is measured.
    public var added: [String] = []

    /// Creates a request with llama-imatrix's defaults: chunks of 512 tokens.
    ///
    /// - Parameter texts: as ``EvaluationRequest/texts``; none where ``added`` are only put together.
    public init(model: String, texts: [String], output: String, threads: Int) {
        evaluation = EvaluationRequest(models: [model], texts: texts, threads: threads)
        self.output = output
    }
}
