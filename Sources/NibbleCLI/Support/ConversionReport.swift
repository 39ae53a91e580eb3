internal import Nibble

/// A conversion as text and as JSON.
struct ConversionReport {
    private let converter: Converter

    init(_ converter: Converter) { self.converter = converter }

    private var jobs: [TensorJob] { converter.jobs }
    /// The tensors of the output, each with the job that it belongs to.
    private var parts: [(job: TensorJob, part: ExportedTensor.Part)] {
        jobs.flatMap { job in job.output.parts.map { (job, $0) } }
    }
    private var parameterCount: Int { jobs.reduce(0) { $0 + $1.elementCount } }
    private var sourceBytes: Int { jobs.reduce(0) { $0 + $1.source.byteCount } }
    private var tensorBytes: Int { jobs.reduce(0) { $0 + $1.byteCount } }

    private func bitsPerWeight(_ bytes: Int) -> Double {
        parameterCount == 0 ? 0 : Double(bytes) * 8 / Double(parameterCount)
    }

    /// What is about to happen, so that it can be repeated.
    ///
    /// - Parameter types: what is said of types, where the plan does not decide them.
    func banner(kernels: KernelLevel, types: String? = nil) -> String {
        let request = converter.request
        var parts = [
            "\(request.input) -> \(converter.layout.path)",
            types ?? (request.plan.isPure ? "pure " : "") + request.plan.type.rawValue,
        ]
        if let importance = request.importance { parts.append("importance matrix \(importance.path)") }
        if let seed = request.ditherSeed { parts.append("dither seed \(seed)") }
        parts.append(request.threads == 1 ? "1 thread" : "\(request.threads) threads")
        parts.append("\(kernels) kernels")
        return parts.joined(separator: ", ")
    }

    /// What the user should know before relying on the result.
    var warnings: [String] {
        var warnings = converter.notes.map(\.description)
        let requantized = jobs.contains {
            $0.source.format.isQuantized && $0.format.isQuantized && $0.format != $0.source.format
        }
        if requantized {
            warnings.append("the source is quantized already; quantize the original checkpoint to lose less")
        }
        let narrowed = jobs.contains {
            $0.source.format.isQuantized && [.ggml(.bf16), .ggml(.f16)].contains($0.format)
        }
        if narrowed, converter.layout.isFolder, converter.request.ditherSeed == nil {
            warnings.append(
                "the source is quantized, and \(converter.request.plan.type.rawValue) may not hold its values; "
                    + "with --type f32 they are exact, and quantize again to the same Q4_0")
        }
        for override in converter.plan.unusedOverrides {
            warnings.append(
                "--tensor-type \(override.pattern)=\(override.type) changes nothing: no matrix that is quantized has such a "
                    + "name")
        }
        if converter.request.ditherSeed != nil, !jobs.contains(where: { $0.ditherSeed != nil }) {
            warnings.append("--dither has no effect: no tensor of the source is quantized")
        }
        return warnings + converter.latticeLosses.map(Self.text)
    }

    private static func text(_ loss: LatticeLoss) -> String {
        let matrices = loss.count == 1 ? "1 matrix lies" : "\(loss.count) matrices lie"
        let becomes =
            loss.format == loss.lattice
            ? "get scales that \(loss.format) chooses anew" : "become \(loss.format)"
        // Every lattice of int4 is one of Q4_0's, too.
        let type = loss.lattice.ggmlType.map { $0.description.lowercased() } ?? "q4_0"
        return "\(matrices) on the lattice of \(loss.lattice) and \(becomes): that changes them by "
            + "\(Text.fixed(100 * loss.relativeError, 2)) % (root mean square), where --type \(type) alone keeps their values"
    }

    // MARK: - Progress

    /// How far the conversion is, in one line.
    static func line(_ progress: ConversionProgress) -> String {
        let seconds = progress.elapsed / .seconds(1)
        let rate = seconds > 0 ? Double(progress.bytesDone) / seconds : 0
        let left = rate > 0 ? Double(progress.bytesTotal - progress.bytesDone) / rate : 0
        let share = 100 * progress.bytesDone / max(progress.bytesTotal, 1)
        return "\(share) %  \(Text.bytes(progress.bytesDone)) of \(Text.bytes(progress.bytesTotal))  "
            + "\(Text.bytes(Int(rate)))/s  \(Text.time(left)) left  \(progress.tensor)"
    }

    // MARK: - Plan

    var planTable: String {
        let columns = ["tensor", "shape", "from", "to", "bytes", "why"]
        let rows = parts.map { job, part in
            [
                part.tensor.name, part.tensor.shape.map(String.init).joined(separator: "x"),
                job.source.format.description, part.description(of: job.format),
                String(part.tensor.byteCount), Self.reason(job),
            ]
        }
        let files = converter.layout.files.map { "\n\($0.name)  \(Text.bytes($0.size))" }
        return Text.table([columns] + rows, right: [4]) + "\n\n" + totals + files.joined()
    }

    /// The plan, with more members.
    func planJSON(with members: [JSONValue.Member] = []) -> JSONValue {
        let tensors = parts.map { job, part in
            JSONValue.members([
                "name": .string(part.tensor.name), "shape": .array(part.tensor.shape.map { .integer($0) }),
                "from": .string(job.source.format.description),
                "to": .string(part.description(of: job.format)),
                "bytes": .integer(part.tensor.byteCount), "why": .string(Self.reason(job)),
            ])
        }
        return document([.init("tensors", .array(tensors))] + members)
    }

    private static func reason(_ job: TensorJob) -> String {
        if job.keepsLattice { return "keeps its lattice" }
        return switch job.output.reason {
        case .defaultType: ""
        case .kept: "not quantized"
        case .mixture: "mixture"
        case .override: "as asked"
        case .lattice: "lies on a lattice"
        case .shape(let type): "rows do not fit \(type)"
        }
    }

    // MARK: - Summary

    func summaryText(_ summary: ConversionSummary) -> String {
        let seconds = summary.elapsed / .seconds(1)
        let rate = seconds > 0 ? Int(Double(summary.sourceBytes) / seconds) : 0
        let types = typeCounts.map { "\($0.type) \($0.count)" }.joined(separator: ", ")
        return """
            \(converter.layout.path)
            \(totals)
            \(parts.count) tensors: \(types)\(Self.text(summary.lattices))
            \(Text.bytes(summary.outputBytes)) written in \(Text.time(seconds)), \(Text.bytes(rate))/s read
            """
    }

    private static func text(_ counts: LatticeCounts) -> String {
        guard counts != LatticeCounts() else { return "" }
        var text =
            "\non their lattice: \(Text.count(counts.exact + counts.silent)) blocks decode to the values of the source"
        if counts.rounded > 0 {
            text += ", \(Text.count(counts.rounded)) have its codes with the nearest scale that can be stored"
        }
        if counts.off > 0 { text += ", \(Text.count(counts.off)) lie off it and are rounded" }
        return text
    }

    /// The summary, with more members.
    func summaryJSON(_ summary: ConversionSummary, with members: [JSONValue.Member] = []) -> JSONValue {
        document(
            [
                .init("files", .array(converter.layout.files.map { .string($0.name) })),
                .init("types", .object(typeCounts.map { .init($0.type, .integer($0.count)) })),
                .init("output_bytes", .integer(summary.outputBytes)),
                .init(
                    "lattice_blocks",
                    .members([
                        "exact": .integer(summary.lattices.exact + summary.lattices.silent),
                        "rounded": .integer(summary.lattices.rounded), "off": .integer(summary.lattices.off),
                    ])),
                .init("seconds", .real(summary.elapsed / .seconds(1))),
                .init("threads", .integer(converter.request.threads)),
            ] + members)
    }

    /// Sizes before and after, and what was left out.
    private var totals: String {
        let configuration = converter.model.configuration
        var text =
            "\(configuration.architecture.rawValue), \(Text.count(parameterCount)) parameters: "
            + "\(Text.bytes(sourceBytes)) (\(Text.bits(bitsPerWeight(sourceBytes))) bits a weight) -> "
            + "\(Text.bytes(tensorBytes)) (\(Text.bits(bitsPerWeight(tensorBytes))))"
        for leftOut in converter.model.leftOut {
            text +=
                "\nleft out: \(leftOut.reason), \(leftOut.count) tensors, \(Text.bytes(leftOut.byteCount))"
                + (leftOut.reason == "vision tower" ? "; --mmproj writes it" : "")
        }
        return text
    }

    private var typeCounts: [(type: String, count: Int)] {
        // Among types of as many tensors, that of the smaller number in ggml comes first.
        Dictionary(grouping: parts) { $1.description(of: $0.format) }
            .map { (type: $0.key, count: $0.value.count, number: $0.value[0].part.tensor.type.rawValue) }
            .sorted { ($1.count, $0.number, $0.type) < ($0.count, $1.number, $1.type) }
            .map { (type: $0.type, count: $0.count) }
    }

    private func document(_ members: [JSONValue.Member]) -> JSONValue {
        let leftOut = converter.model.leftOut.map { leftOut in
            JSONValue.members([
                "reason": .string(leftOut.reason), "tensors": .integer(leftOut.count),
                "bytes": .integer(leftOut.byteCount),
            ])
        }
        let common: [JSONValue.Member] = [
            .init("input", .string(converter.request.input)),
            .init("output", .string(converter.layout.path)),
            .init("architecture", .string(converter.model.configuration.architecture.rawValue)),
            .init("type", .string(converter.request.plan.type.rawValue)),
            .init("parameters", .integer(parameterCount)),
            .init("source_tensor_bytes", .integer(sourceBytes)),
            .init("output_tensor_bytes", .integer(tensorBytes)),
            .init("bits_per_weight", .real(bitsPerWeight(tensorBytes))),
            .init("left_out", .array(leftOut)),
            .init("warnings", .array(warnings.map { .string($0) })),
        ]
        return .object(common + members)
    }
}
