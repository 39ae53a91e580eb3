internal import ArgumentParser
internal import Nibble

/// How codes and scales of a conversion are chosen from a text.
struct CalibrationCommandOptions: ParsableArguments {
    @Option(
        name: .customLong("calibrate"), parsing: .upToNextOption,
        help: ArgumentHelp(
            "Choose codes and scales by what this text says: files, folders, .jsonl files, - for standard input; 'self' for "
                + "text that the model writes. For every type with codes: int4 and those of GGUF but f32, f16 and bf16.",
            valueName: "text"))
    var texts: [String] = []

    @Option(help: ArgumentHelp("Field of .jsonl lines that holds the text.", valueName: "name"))
    var textField: String?

    @Option(
        help: ArgumentHelp(
            "How: all, or names with + between them, of nearest, importance, gptq, gptaq, guidedquant, yaqa, "
                + "coordinate_descent; gptq alone is plain GPTQ. Default: all.",
            valueName: "methods"))
    var method: String?

    @Option(
        help: ArgumentHelp(
            "How much text: quick, 32 sequences; standard, 256; best, 1024. Default: standard.",
            valueName: "quality"))
    var quality: CalibrationQuality?

    @Option(help: ArgumentHelp("Sequences to calibrate on, instead of --quality.", valueName: "n"))
    var sequences: Int?

    @Option(help: ArgumentHelp("Tokens of a sequence. Default: 512.", valueName: "n"))
    var sequenceLength: Int?

    @Option(
        help: ArgumentHelp(
            "Sequences held out from the text, on which the result is measured; 0 for none. Default: an eighth of those "
                + "calibrated on, 4 to 16.",
            valueName: "n"))
    var heldOut: Int?

    @Option(
        help: ArgumentHelp(
            "Choose a type for every matrix by what its errors cost, so that the file has no more bytes than this: 600M, 2G "
                + "(powers of 1000). The types go to a plan file, OUTPUT.plan or what --save-plan names.",
            valueName: "size"))
    var targetSize: ByteSize?

    @Option(
        help: ArgumentHelp(
            "The same for this many bits a weight, of all tensors together: 4.5.", valueName: "bits"))
    var targetBpw: Double?

    @Option(help: ArgumentHelp("What text of --calibrate self begins at.", valueName: "n"))
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Memory that may be used, as 8G; by default nine tenths of this machine's.", valueName: "size"))
    var memory: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Folder for scratch files, from which a killed run goes on; by default OUTPUT.calibration.",
            valueName: "folder"))
    var scratch: String?

    @Option(
        help: ArgumentHelp(
            "In which numbers products are computed: auto, bf16 or f32.", valueName: "precision"))
    var precision: Precision?

    var isAsked: Bool { !texts.isEmpty }

    /// How large the output may be, where types are chosen for that.
    var target: SizeTarget? {
        targetSize.map { .bytes($0.bytes) } ?? targetBpw.map { .bitsPerWeight($0) }
    }

    func validate() throws {
        let needy: [(name: String, isSet: Bool)] = [
            ("text-field", textField != nil), ("method", method != nil), ("quality", quality != nil),
            ("sequences", sequences != nil), ("sequence-length", sequenceLength != nil),
            ("held-out", heldOut != nil), ("seed", seed != nil), ("memory", memory != nil),
            ("scratch", scratch != nil), ("precision", precision != nil),
            ("target-size", targetSize != nil), ("target-bpw", targetBpw != nil),
        ]
        if !isAsked, let first = needy.first(where: \.isSet) {
            throw ValidationError("--\(first.name) is for a calibration: name a text with --calibrate TEXT")
        }
        if quality != nil, sequences != nil {
            throw ValidationError("--quality says how many sequences, and so does --sequences: give one")
        }
        for (name, value, range) in [
            ("sequences", sequences, 1...1_000_000), ("sequence-length", sequenceLength, 2...1_000_000),
            ("held-out", heldOut, 0...1_000_000),
        ] {
            guard let value, !range.contains(value) else { continue }
            throw ValidationError(
                "--\(name) is \(value), expected \(range.lowerBound) to \(range.upperBound)")
        }
        if texts.contains(InputText.own), texts.count > 1 {
            throw ValidationError("--calibrate self stands alone: the model writes all of the text")
        }
        if targetSize != nil, targetBpw != nil {
            throw ValidationError(
                "--target-size and --target-bpw both say how large the file may be: give one")
        }
        if let targetBpw, !(targetBpw > 0 && targetBpw < 64) {
            throw ValidationError("--target-bpw is \(targetBpw), expected bits a weight, as 4.5")
        }
        if scratch == "" { throw ValidationError("--scratch is empty") }
        do throws(CalibrationOptions.MethodProblem) {
            _ = try CalibrationOptions(methods: method ?? "all")
        } catch {
            throw ValidationError("--method: \(error)")
        }
    }

    /// The request of some conversions.
    func request(_ conversions: [ConversionRequest]) throws -> CalibrationRequest {
        let writesText = texts == [InputText.own]
        var request = CalibrationRequest(
            conversions, texts: writesText ? [] : texts, version: NibbleVersion.current)
        request.writesText = writesText
        request.options = try CalibrationOptions(methods: method ?? "all")
        request.options.sequences = sequences ?? (quality ?? .standard).sequences
        if let textField { request.textField = textField }
        if let sequenceLength { request.sequenceLength = sequenceLength }
        request.heldOutSequences = heldOut
        if let seed { request.seed = seed }
        request.memoryLimit = memory?.bytes
        request.scratch = scratch
        if let precision { request.precision = precision }
        request.target = target
        return request
    }
}
