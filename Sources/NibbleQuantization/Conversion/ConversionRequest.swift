public import NibbleCheckpoint
public import NibbleNumerics

/// What to convert, to what, and how.
public struct ConversionRequest: Sendable {
    /// A hub folder, a `.safetensors` file or index, or a `.gguf` file.
    public var input: String
    /// A file, or a folder where ``exporter`` writes one.
    public var output: String
    /// The form of the output.
    public var exporter: any CheckpointExporter
    /// Which tensor becomes what; for a folder of plain numbers only its type counts.
    public var plan: QuantizationPlan
    /// Weights of the columns' errors.
    public var importance: ImportanceMatrix?
    /// Largest file in bytes of tensors; nil for a single GGUF file, and for 5 GB a safetensors file.
    public var splitSize: Int?
    /// Where set, quantized weights of the source are drawn uniformly within their quantization cells.
    public var ditherSeed: UInt64?
    /// Tensors that take the place of the source's, such as trained ones; the others are converted.
    ///
    /// In a GGUF file encoded rows stand byte for byte, so that their type must be the one that ``plan`` gives
    /// the tensor. A folder holds their values as the type of ``plan``, and all other matrices as the source
    /// has them, so that quantizing the folder with the same plan gives the same file as the export to GGUF
    /// wherever ``ExportReport`` says so. A folder of int4 or SFP8 holds the codes and scales, or the values of the codes,
    /// as they are. ``importance`` and ``ditherSeed`` do not touch them.
    public var replacements: [TensorRole: ReplacementTensor] = [:]
    /// How the replacements were trained, to stand in the output; nil keeps what the source says.
    public var provenance: Provenance?
    /// Whether matrices that lie on the lattice of their format keep the values that they have, instead of what the format's
    /// codec makes of them. It has no effect with ``replacements`` or ``ditherSeed``.
    public var keepsLattices = true
    /// Threads that read, encode and write.
    public var threads: Int
    /// The instruction level of the kernels.
    public var level = KernelLevel.best
    /// Whether an existing output may be replaced.
    public var replacesOutput = false
    /// Whether to wait until the output is on disk before it takes its place.
    public var flushes = false

    /// A request with defaults.
    public init(
        input: String, output: String, exporter: any CheckpointExporter, plan: QuantizationPlan, threads: Int
    ) {
        self.input = input
        self.output = output
        self.exporter = exporter
        self.plan = plan
        self.threads = threads
    }
}

extension ConversionRequest {
    /// Checks that the output may be written.
    ///
    /// - Throws: `CheckpointError` where it exists and may not be replaced, or the folder around it does not exist.
    package func checkOutput() throws(CheckpointError) {
        try OutputPlace(output, of: exporter).check(replacing: replacesOutput)
    }
}

extension OutputPlace {
    /// Where an exporter writes to.
    package init(_ output: String, of exporter: any CheckpointExporter) {
        self.init(path: output, isFolder: exporter.fileEnding == nil)
    }
}
