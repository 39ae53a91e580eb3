internal import NibbleCheckpoint
internal import NibbleModel
public import NibbleQuantization
public import NibbleTensor

/// A conversion whose codes and scales are chosen by what a text says of them, to one output or several at a time.
///
/// ```swift
/// let conversion = ConversionRequest(
///     input: "gemma-3-270m", output: "gemma.q4_0.gguf", exporter: CheckpointExporters.gguf,
///     plan: QuantizationPlan(.q4_0), threads: 2)
/// let request = CalibrationRequest(conversion, texts: ["wiki.train.txt"], version: "1.0.0")
/// let summary = try CalibratedConversion(request).run()
/// print(summary.outputs[0].scores?.recovered ?? 0)
/// ```
public struct CalibrationRequest: Sendable {
    /// What to convert, to what: one output, or several of one input, dither, level and number of threads, which share what
    /// does not depend on their types. Where an output is a folder, its matrices hold the values of the codes, as F16 if
    /// that holds them all, else as F32.
    public var conversions: [ConversionRequest]
    /// Files and folders of text.
    public var texts: [String]
    /// The field of a line of JSON that holds the text.
    public var textField = "text"
    /// Whether the model writes the text itself, instead of ``texts``.
    public var writesText = false
    /// How codes and scales are chosen, and on how many sequences.
    public var options = CalibrationOptions()
    /// Tokens of a sequence, 2 or more.
    public var sequenceLength = 512
    /// Sequences that are held out from the text, and on which the result is measured; nil: an eighth of those that are
    /// calibrated on, 4 to 16; 0: nothing is measured.
    public var heldOutSequences: Int?
    /// How large the output may be, a GGUF file: types of all matrices are chosen for that by what errors cost, instead of by
    /// the plan of the conversion, and written to a plan file. For one conversion, and methods with gradients.
    public var target: SizeTarget?
    /// Where the plan file goes, with ``target``; nil: beside the output, `NAME.plan`.
    public var planPath: String?
    /// What distinguishes one text that the model writes from another.
    public var seed: UInt64 = 1
    /// Memory that may be used, in bytes; nil: nine tenths of this machine's.
    public var memoryLimit: Int?
    /// The folder for scratch files; nil: beside the output, `NAME.calibration`.
    public var scratch: String?
    /// In which numbers products are computed; automatic: `Precision.fasterFloat`.
    public var precision = Precision.automatic
    /// The version of Nibble, for the record.
    public var version: String

    /// A request with defaults.
    public init(_ conversion: ConversionRequest, texts: [String], version: String) {
        self.init([conversion], texts: texts, version: version)
    }

    /// The same for several outputs.
    public init(_ conversions: [ConversionRequest], texts: [String], version: String) {
        precondition(!conversions.isEmpty, "no conversions")
        self.conversions = conversions
        self.texts = texts
        self.version = version
    }

    /// The first conversion, for what all have in common.
    var conversion: ConversionRequest { conversions[0] }

    /// The options, where automatic is decided.
    var decidedOptions: CalibrationOptions {
        var options = options
        if options.method == .automatic { options.method = .gptq }
        return options
    }

    /// Memory that may be used, in bytes.
    var allowedMemory: Int { memoryLimit ?? ProcessMemory.allowedBytes }

    /// Where it is computed.
    ///
    /// - Throws: `CheckpointError` where the processor lacks the precision.
    func compute(path: String) throws(CheckpointError) -> Compute {
        try Compute.checked(
            threads: conversion.threads, precision: precision == .automatic ? .fasterFloat : precision,
            level: conversion.level, path: path)
    }

    /// Sequences that are held out.
    var heldOutCount: Int { heldOutSequences ?? min(16, max(4, options.sequences / 8)) }
}
