internal import Nibble

/// A calibrated conversion, to one output or several, as text and as JSON.
struct CalibrationReport {
    private let conversion: CalibratedConversion
    private let written: [ConversionReport]
    private var request: CalibrationRequest { conversion.request }
    private var methods: String { request.options.methods.map(\.rawValue).joined(separator: "+") }

    init(_ conversion: CalibratedConversion) {
        self.conversion = conversion
        written = conversion.converters.map { ConversionReport($0) }
    }

    /// What the user should know before relying on the result.
    var warnings: [String] { ConversionSet.warnings(written, and: conversion.notes) }

    /// What is about to happen, so that it can be repeated.
    func banner(kernels: KernelLevel) -> String {
        let text = request.writesText ? "text that the model writes" : request.texts.joined(separator: ", ")
        let types = request.target.map { "types chosen for \($0)" }
        return written.map { $0.banner(kernels: kernels, types: types) }.joined(separator: "\n") + """

            calibrated by \(methods) on \(request.options.sequences) x \(request.sequenceLength) tokens of \(text)
            scratch files in \(conversion.scratchPath), from which the same command goes on after a stop
            """
    }

    // MARK: - Dry run

    func planText(_ estimate: CalibrationEstimate) -> String {
        var facts = [
            ["method", methods],
            ["text", "\(request.options.sequences) x \(request.sequenceLength) tokens"],
            ["arithmetic", estimate.arithmetic],
            ["memory", Text.bytes(estimate.space.memoryBytes) + ", and pages of the mapped source"],
            [
                "scratch",
                Text.bytes(estimate.space.scratchBytes)
                    + (estimate.freeBytes.map { " (\(Text.bytes($0)) free)" } ?? "")
                    + " in \(conversion.scratchPath)",
            ],
            ["time", Text.time(estimate.seconds) + ", about"],
        ]
        facts += estimate.space.restrictions.map { ["for lack of memory", $0] }
        if let target = request.target, let sizes = estimate.sizes {
            facts += [
                ["types", "chosen for \(target), of \(Text.count(sizes.matrices)) matrices"],
                [
                    "possible sizes",
                    "\(Text.bytes(sizes.bytes.lowerBound)) (\(Text.bits(sizes.bitsPerWeight.lowerBound)) bits a weight) "
                        + "to \(Text.bytes(sizes.bytes.upperBound)) (\(Text.bits(sizes.bitsPerWeight.upperBound)))",
                ],
            ]
            return Text.table(facts)
        }
        // Last, where a terminal shows it: the table has a line for each tensor.
        return (written.map(\.planTable) + [Text.table(facts)]).joined(separator: "\n\n")
    }

    func planJSON(_ estimate: CalibrationEstimate) -> JSONValue {
        let calibration = JSONValue.Member(
            "calibration",
            .members([
                "methods": .array(request.options.methods.map { .string($0.rawValue) }),
                "sequences": .integer(request.options.sequences),
                "sequence_length": .integer(request.sequenceLength),
                "arithmetic": .string(estimate.arithmetic),
                "memory_bytes": .integer(estimate.space.memoryBytes),
                "scratch_bytes": .integer(estimate.space.scratchBytes),
                "free_bytes": estimate.freeBytes.map { .integer($0) } ?? .null,
                "scratch": .string(conversion.scratchPath),
                "seconds": .real(estimate.seconds),
                "restrictions": .array(estimate.space.restrictions.map { .string($0) }),
            ]))
        guard let target = request.target, let sizes = estimate.sizes else {
            return ConversionSet.document(written.map { $0.planJSON(with: [calibration]) })
        }
        // Which types tensors get is not known before.
        let choice = JSONValue.members([
            "target": .string(target.description), "matrices": .integer(sizes.matrices),
            "smallest_bytes": .integer(sizes.bytes.lowerBound),
            "largest_bytes": .integer(sizes.bytes.upperBound),
            "smallest_bits_per_weight": .real(sizes.bitsPerWeight.lowerBound),
            "largest_bits_per_weight": .real(sizes.bitsPerWeight.upperBound),
        ])
        return .object([
            .init("input", .string(request.conversions[0].input)),
            .init("output", .string(request.conversions[0].output)), .init("sizes", choice), calibration,
            .init("warnings", .array(warnings.map { .string($0) })),
        ])
    }

    // MARK: - Summary

    /// What is to be said of the result beside it: methods that did not run, and a result that is no better.
    func notes(_ summary: CalibrationSummary) -> [String] {
        zip(request.conversions, summary.outputs).flatMap { conversion, output in
            let notes = Self.notes(output)
            return request.conversions.count == 1 ? notes : notes.map { "\(conversion.output): \($0)" }
        }
    }

    private static func notes(_ output: CalibrationSummary.Output) -> [String] {
        var notes = output.calibration.notes
        if let scores = output.scores, !scores.isBetter {
            notes.append(
                "on held-out text the calibrated weights diverge no less than weights rounded to nearest: calibrate on more "
                    + "text, or on text nearer to what the model is for")
        }
        return notes
    }

    func summaryText(_ summary: CalibrationSummary) -> String {
        let resumed =
            summary.resumedSteps > 0 ? ", after \(summary.resumedSteps) steps of an earlier process" : ""
        return summary.outputs.map(Self.text).joined(separator: "\n\n") + """

            calibrated on \(Text.count(summary.outputs[0].calibration.tokens)) tokens in \
            \(Text.time(summary.elapsed / .seconds(1)))\(resumed), \
            \(Text.bytes(summary.peakResidentBytes)) resident at most
            """
    }

    private static func text(_ output: CalibrationSummary.Output) -> String {
        var sections: [String] = []
        if let scores = output.scores {
            let rows = [
                ["", "perplexity", "mean KLD"],
                ["unquantized", Text.plusMinus(scores.source, 4), ""],
                [
                    "rounded to nearest", Text.plusMinus(scores.rounded, 4),
                    Text.plusMinus(scores.roundedDivergence, 5),
                ],
                [
                    "calibrated", Text.plusMinus(scores.calibrated, 4),
                    Text.plusMinus(scores.calibratedDivergence, 5),
                ],
                ["difference, paired", Text.plusMinus(scores.difference, 4), ""],
            ]
            let recovered = scores.recovered.map {
                ", \(Text.fixed(100 * $0, 1)) % of the loss in perplexity recovered"
            }
            sections.append(
                "\(Text.count(scores.tokens)) held-out tokens\(recovered ?? ""):\n"
                    + Text.table(rows, right: [1, 2]))
        }
        let plan = output.planPath.map { "\ntypes in \($0), for --plan" } ?? ""
        sections.append(ConversionReport(output.converter).summaryText(output.conversion) + plan)
        return sections.joined(separator: "\n\n")
    }

    func summaryJSON(_ summary: CalibrationSummary) -> JSONValue {
        let documents = summary.outputs.map { output in
            ConversionReport(output.converter).summaryJSON(
                output.conversion,
                with: [
                    .init(
                        "calibration",
                        .members([
                            "tokens": .integer(output.calibration.tokens),
                            "seconds": .real(summary.elapsed / .seconds(1)),
                            "peak_resident_bytes": .integer(summary.peakResidentBytes),
                            "resumed_steps": .integer(summary.resumedSteps),
                            "plan": output.planPath.map { .string($0) } ?? .null,
                            "held_out": output.scores.map(Self.json) ?? .null,
                            "methods": .object(
                                output.calibration.matrices.map { .init($0.name, .string($0.summary)) }),
                            "notes": .array(Self.notes(output).map { .string($0) }),
                        ]))
                ])
        }
        return ConversionSet.document(documents)
    }

    private static func json(_ scores: CalibrationScores) -> JSONValue {
        func state(_ perplexity: Estimate, _ divergence: Estimate?) -> JSONValue {
            .members([
                "perplexity": .finite(perplexity.value), "perplexity_error": .finite(perplexity.error),
                "divergence": divergence.map { .finite($0.value) } ?? .null,
                "divergence_error": divergence.map { .finite($0.error) } ?? .null,
            ])
        }
        return .members([
            "tokens": .integer(scores.tokens), "source": state(scores.source, nil),
            "rounded": state(scores.rounded, scores.roundedDivergence),
            "calibrated": state(scores.calibrated, scores.calibratedDivergence),
            "difference": .finite(scores.difference.value),
            "difference_error": .finite(scores.difference.error),
            "recovered": scores.recovered.map { .finite($0) } ?? .null,
        ])
    }
}
