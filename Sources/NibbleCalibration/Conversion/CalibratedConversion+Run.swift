internal import CLibrary
internal import NibbleCheckpoint
internal import NibbleEvaluation
internal import NibbleModel
internal import NibbleNumerics
public import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

extension CalibratedConversion {
    /// Calibrates and writes the outputs, one after the other.
    ///
    /// - Parameters:
    ///   - progress: called after every piece of work of the calibration.
    ///   - writing: called while an output is written, about ten times a second, never from two threads at once.
    ///   - isCancelled: asked often, from any thread.
    /// - Throws: `CheckpointError` where an output may not be written, before anything is done; `TextError` where the text
    ///   is too short or cannot be cut; of `CheckpointError` `inconsistent` where the
    ///   scratch folder is of another source, text or settings, naming what differs; `cancelled`, with how to go on;
    ///   `invalidRequest` where memory does not suffice;
    ///   `invalidValue` where weights or activations are no numbers; `inputOutput` where the disk is full. An output is
    ///   whole or as it was.
    public func run(
        progress: (PreparationProgress) -> Void = { _ in },
        writing: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> CalibrationSummary {
        let start = ContinuousClock.now
        try checkOutputs()
        let plan = plan
        guard plan.memory <= request.allowedMemory else {
            throw CheckpointError(
                .invalidRequest, path: request.conversion.input,
                "calibrating it needs \(ByteText.text(plan.memory)), \(ByteText.text(request.allowedMemory)) may be used",
                advice: "raise --memory, or shorten --sequence-length")
        }
        let digest = "\(TeacherDigest(converters[0].model, threads: request.conversion.threads))"
        let generated = try generatedText(sourceDigest: digest, progress, isCancelled)
        let text = try CalibrationText(request, tokenizer: tokenizer, generated: generated)
        let scratch = try CalibrationScratch(
            path: scratchPath, identity: identity(sourceDigest: digest, text, plan))
        let resumed = scratch.journal.records.count
        var (converters, matrices) = (converters, matrices)
        if request.target != nil {
            let chosen = try choose(text, scratch, plan, progress, isCancelled)
            (converters, matrices) = ([chosen.converter], [chosen.matrices])
        }
        let found = try calibrator(matrices, plan).run(
            text.sequences, heldOut: text.heldOut, scratch: scratch, progress: progress,
            isCancelled: isCancelled)
        reference.compute.pool.releaseIdle()
        var outputs: [CalibrationSummary.Output] = []
        for (index, own) in found.enumerated() {
            let converter = converters[index]
            var conversion = converter.request
            conversion.replacements = try own.replacements(matrices[index])
            conversion.provenance = provenance(own, converter, matrices[index], sourceDigest: digest, text)
            let written = try Converter(conversion, source: converter.model).run(
                progress: writing, isCancelled: isCancelled)
            // Last: a process that is killed before leaves nothing in the way of the next.
            if request.target != nil {
                try CheckpointWriter.write(
                    Array(converter.plan.text(converter.request.plan.type).utf8),
                    to: request.chosenPlanPath, replacing: conversion.replacesOutput)
            }
            outputs.append(
                .init(
                    converter: converter, conversion: written, calibration: own.result, scores: own.scores,
                    planPath: request.target == nil ? nil : request.chosenPlanPath))
        }
        CalibrationScratch.remove(scratchPath)
        if request.writesText { unlink(selfTextPath) }
        return CalibrationSummary(
            outputs: outputs, elapsed: start.duration(to: .now),
            peakResidentBytes: ProcessMemory.peakResidentBytes,
            resumedSteps: resumed)
    }

    /// The tokens that the model writes, where that is asked for; they are kept in a file beside the scratch folder until
    /// the output is there.
    private func generatedText(
        sourceDigest: String, _ progress: (PreparationProgress) -> Void, _ isCancelled: () -> Bool
    ) throws -> [Int32] {
        guard request.writesText else { return [] }
        var text = SelfText(
            teacherDigest: sourceDigest, sequenceCount: request.options.sequences + request.heldOutCount,
            sequenceLength: request.sequenceLength, seed: request.seed)
        text.boundMemory(by: request.memoryLimit)
        let total = text.tokenCount(tokenizer)
        do {
            return try text.tokens(
                path: selfTextPath, teacher: reference, tokenizer: tokenizer,
                progress: { progress(PreparationProgress(stage: .writingText, done: $0, total: total)) },
                isCancelled: isCancelled)
        } catch var error as CheckpointError where error.code == .cancelled {
            error.advice = "the same command goes on from there"
            throw error
        }
    }

    /// Where the text is kept that the model writes.
    private var selfTextPath: String { scratchPath + ".text" }

    /// What the bytes of the output depend on.
    private func identity(
        sourceDigest: String, _ text: CalibrationText, _ plan: CalibrationPlan
    ) -> [JSONValue.Member] {
        [
            .init("source", .string(sourceDigest)), .init("text", .string(text.digest)),
            .init("settings", .string(settings.text)),
            .init("formats", .string(formats)),
            .init("memory", .string(plan.identity)),
            .init("arithmetic", .string(reference.compute.arithmetic)),
        ]
    }

    /// The settings that the codes depend on, in words.
    private var settings: (text: String, digest: String) {
        let options = request.decidedOptions
        let text = [
            "method " + options.methods.map(\.rawValue).joined(separator: "+"),
            "gptaq \(options.gptaq)",
            "\(options.sequences) sequences of \(request.sequenceLength) tokens",
            "\(request.heldOutCount) held out",
            request.conversion.ditherSeed.map { "dither \($0)" } ?? "no dither",
        ].joined(separator: ", ")
        return (text, SHA256.hex(text.utf8))
    }

    /// The formats of all matrices that are quantized, or what they are chosen by.
    private var formats: String {
        if let target = request.target { return "those of \(target)" }
        return SHA256.hex(
            matrices.map { $0.tensors.map { "\($0.name) \($0.format)" }.joined(separator: "\n") }
                .joined(separator: "\n\n").utf8)
    }

    private func provenance(
        _ found: CalibratedMatrices, _ converter: Converter, _ matrices: QuantizedMatrices,
        sourceDigest: String, _ text: CalibrationText
    ) -> Provenance {
        var perplexities: [String: Double] = [:]
        if let scores = found.scores {
            perplexities = [
                "teacher": scores.source.value, "rounded": scores.rounded.value,
                "calibrated": scores.calibrated.value,
            ]
        }
        return Provenance(
            teacherName: FilePath.absoluteName(of: request.conversion.input), teacherDigest: sourceDigest,
            plan: converter.request.plan.type.rawValue, recipeDigest: settings.digest,
            textDigest: text.digest, steps: 0, tokens: 0, seed: request.seed,
            nibbleVersion: request.version, perplexities: perplexities,
            heldOutTextDigest: text.heldOutDigest,
            calibration: found.result.record(of: matrices.tensors, textDigest: text.digest))
    }
}

extension CalibratedMatrices {
    /// The encoded matrices, as a conversion takes them.
    fileprivate func replacements(
        _ matrices: QuantizedMatrices
    ) throws(CheckpointError) -> [TensorRole: ReplacementTensor] {
        var result: [TensorRole: ReplacementTensor] = [:]
        for tensor in matrices.calibrated + matrices.vocabulary {
            guard let own = try rows(of: tensor) else { continue }
            result[tensor.role] = .encoded(
                EncodedTensor(
                    rows: tensor.rows, columns: tensor.columns, format: tensor.format, bytes: own.bytes,
                    owner: own.file))
        }
        return result
    }
}
