public import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
public import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

/// Converts a checkpoint to codes and scales that are chosen by what a text says of them, to one output or several.
///
/// Creating one opens the source and checks what can be checked in seconds; ``run(progress:isCancelled:)`` does the work.
/// It needs memory for some matrices, and scratch files for what grows with the number of blocks or sequences. A process
/// that is killed leaves its scratch folder: the same request goes on from the last sublayer that was done, to the same
/// bytes, on any number of threads.
///
/// See ``CalibrationRequest`` for an example.
public struct CalibratedConversion: Sendable {
    /// What was asked for.
    public let request: CalibrationRequest
    /// The conversions that it comes to, without what calibration chooses.
    public let converters: [Converter]
    /// What the user should know before relying on the result.
    public let notes: [String]
    let tokenizer: Tokenizer
    let reference: LanguageModel
    /// Of each output.
    let matrices: [QuantizedMatrices]

    /// Opens the source and checks the request; nothing is read of the text, and nothing is written.
    ///
    /// - Throws: `CheckpointError` where the source is damaged or unsupported, or a type cannot be
    ///   calibrated; `invalidRequest` where two outputs are at one path.
    public init(_ request: CalibrationRequest) throws(CheckpointError) {
        precondition(
            request.sequenceLength >= 2 && request.options.sequences > 0 && request.heldOutCount >= 0,
            "\(request.options.sequences) sequences of \(request.sequenceLength) tokens")
        let request = try request.ofTarget()
        self.request = request
        let conversion = request.conversion
        let source = try ModelCheckpoint(path: conversion.input)
        try Self.check(request.conversions)
        converters = try request.conversions.map { conversion throws(CheckpointError) in
            try Converter(Self.written(conversion), source: source)
        }
        tokenizer = try Tokenizer(source)
        reference = try LanguageModel(source, compute: try request.compute(path: source.path))
        let plans = try request.conversions.map { conversion throws(CheckpointError) in
            try conversion.plan.resolve(source)
        }
        let weights = StoredWeights(
            level: conversion.level, dither: conversion.ditherSeed.map { Dither(seed: $0) })
        matrices = plans.map {
            request.target == nil
                ? QuantizedMatrices(calibrating: $0, weights: weights)
                : QuantizedMatrices(surveying: $0, weights: weights)
        }
        notes = Self.notes(request, plans, source)
        if let target = request.target {
            try SizeBudget(target, converters[0]).check(matrices[0], output: conversion.output)
        }
    }

    /// Checks that every output may be written.
    ///
    /// - Throws: `CheckpointError` where one exists and may not be replaced, or the folder around it does not exist.
    func checkOutputs() throws(CheckpointError) {
        for conversion in request.conversions {
            try conversion.checkOutput()
        }
        if request.target != nil {
            try OutputPlace(file: request.chosenPlanPath).check(replacing: request.conversion.replacesOutput)
        }
    }

    /// The conversion as its exporter has it: a folder of plain numbers holds values of the codes, F16 those of Q4_0
    /// exactly, F32 all others.
    private static func written(_ request: ConversionRequest) -> ConversionRequest {
        var written = request
        // Codes are chosen anew.
        written.keepsLattices = false
        if request.exporter.fileEnding == nil, !request.exporter.usesPlanOptions, request.plan.type.isGGUF {
            written.plan = QuantizationPlan(request.plan.type == .q4_0 ? .f16 : .f32)
        }
        return written
    }

    /// Checks that conversions can be calibrated together.
    private static func check(_ conversions: [ConversionRequest]) throws(CheckpointError) {
        let first = conversions[0]
        var outputs: Set<String> = []
        for conversion in conversions {
            try check(conversion.plan.type, output: conversion.output)
            precondition(
                conversion.input == first.input && conversion.ditherSeed == first.ditherSeed
                    && conversion.level == first.level,
                "conversions of different weights")
            guard outputs.insert(conversion.output).inserted else {
                throw CheckpointError(
                    .invalidRequest, path: conversion.output, "is the output of two conversions",
                    advice: "give each a path of its own")
            }
        }
    }

    /// Checks that matrices of a type can be calibrated.
    static func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        guard !type.format.hasGrid else { return }
        let types = QuantizationType.allCases.filter(\.format.hasGrid).map(\.rawValue).joined(separator: ", ")
        throw CheckpointError(
            .invalidRequest, path: output, "\(type.rawValue) has no codes and scales to calibrate",
            advice: "choose one of \(types), or leave the calibration out")
    }

    private static func notes(
        _ request: CalibrationRequest, _ plans: [ResolvedPlan], _ source: ModelCheckpoint
    ) -> [String] {
        var notes: [String] = []
        if let types = source.quantizedTypes, request.conversion.ditherSeed == nil {
            notes.append(
                "the source is quantized already (\(types)): what it lost is not won back, and its weights may lie on ties of "
                    + "the codes; the original checkpoint is better, or --dither to draw weights within their cells"
            )
        }
        for (conversion, plan) in zip(request.conversions, plans) {
            let others = plan.tensors.filter {
                $0.role.layer != nil && $0.role.isLinear && $0.format.isQuantized && $0.grid == nil
            }
            guard let first = others.first else { continue }
            notes.append(
                (plans.count > 1 ? "\(conversion.output): " : "")
                    + "\(others.count == 1 ? "1 matrix" : "\(others.count) matrices") that cannot be calibrated "
                    + "(\(first.name): \(first.format), rows of \(first.columns)): rounded to nearest")
        }
        let context = source.configuration.contextLength
        if request.sequenceLength > context {
            notes.append(
                "sequences have \(request.sequenceLength) tokens, the model was made for \(context)")
        }
        return notes
    }

    /// The folder for scratch files.
    public var scratchPath: String {
        request.scratch ?? FilePath.trimmingSlashes(request.conversion.output) + ".calibration"
    }

    /// What calibrates some matrices.
    func calibrator(_ matrices: [QuantizedMatrices], _ plan: CalibrationPlan) -> Calibrator {
        Calibrator(
            reference: reference, matrices: matrices, options: request.decidedOptions, plan: plan,
            candidates: candidates)
    }

    /// How it is done in the memory that there is.
    package var plan: CalibrationPlan {
        CalibrationPlan(request, matrices, in: reference.configuration, compute: reference.compute)
    }
}

extension QuantizedMatrices {
    /// Those that a conversion calibrates: matrices of blocks and of the vocabulary, of types whose codes can be chosen. Eight
    /// bits leave a vocabulary nothing to gain, and it is large.
    init(calibrating plan: ResolvedPlan, weights: any WeightSource) {
        self.init(
            plan, weights: weights,
            calibrates: {
                guard $0.grid != nil else { return false }
                return $0.role.layer != nil || $0.role.isVocabulary && $0.format != .ggml(.q8_0)
            },
            advice: { "keep it in another type, as --tensor-type '\($0)=bf16' does" })
    }

    /// Those whose types are chosen.
    init(surveying plan: ResolvedPlan, weights: any WeightSource) {
        self.init(
            plan, weights: weights, calibrates: { $0.grid != nil },
            advice: { "keep it in another type, as a plan file with '\($0) bf16' does" })
    }
}

extension CalibrationPlan {
    /// How a conversion is calibrated.
    init(
        _ request: CalibrationRequest, _ matrices: [QuantizedMatrices], in shape: ModelConfiguration,
        compute: Compute
    ) {
        self.init(
            request.decidedOptions, matrices, in: shape, sequences: request.options.sequences,
            heldOut: request.heldOutCount, length: request.sequenceLength, holdsVocabulary: true,
            surveys: request.target != nil, compute: compute, held: CalibrationMemory.process(compute),
            limit: request.allowedMemory)
    }
}
