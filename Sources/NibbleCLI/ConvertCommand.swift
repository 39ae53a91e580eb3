internal import ArgumentParser
internal import Nibble

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Converts a checkpoint: quantizes it, or changes its format.",
        discussion: """
            EXAMPLES
              A hub folder to a 4-bit GGUF file, as llama.cpp's converter and llama-quantize make it:
                nibble convert gemma-3-270m -o gemma.q4_0.gguf
              What would be done, tensor by tensor:
                nibble convert gemma-3-270m -o gemma.q4_k_m.gguf --type q4_k_m --dry-run
              With an importance matrix of llama-imatrix, the embedding kept at 8 bits:
                nibble convert gemma.bf16.gguf -o gemma.q4_0.gguf --imatrix gemma.imatrix --embedding-type q8_0
              The feed-forward layers of the first blocks at 6 bits:
                nibble convert gemma.bf16.gguf -o g.gguf --tensor-type 'blk\\.[0-3]\\.ffn_.*=q6_k'
              A folder of int4 weights, one scale for 32, that transformers and vLLM load:
                nibble convert gemma-3-270m -o gemma-int4 --type int4_32
              The type of each matrix in a file, and a conversion by it once it is edited:
                nibble convert gemma.bf16.gguf -o g.gguf --type q4_k_m --dry-run --save-plan gemma.plan
                nibble convert gemma.bf16.gguf -o g.gguf --plan gemma.plan
              Codes and scales chosen by what a text says: minutes instead of a second, and far less is lost:
                nibble convert gemma-3-270m -o gemma.q4_0.gguf --calibrate wiki.train.txt
              A file of 4.5 bits a weight, a type for each matrix by what its errors cost:
                nibble convert gemma-3-270m -o gemma.gguf --target-bpw 4.5 --calibrate wiki.train.txt
              Files of several types in a folder, for which the text is gone through once:
                nibble convert gemma-3-270m -o gemma-files --type q4_0 --type q4_k_m --calibrate wiki.train.txt
              For Ollama, with a Modelfile; and into Ollama's own models, to be run at once:
                nibble convert gemma-3-270m -o gemma-ollama --for ollama
                nibble convert gemma-3-270m -o gemma-3-270m:q4_0 --for ollama --install
              Back to a folder that transformers loads:
                nibble convert gemma.bf16.gguf -o gemma-folder
            """
    )

    @Argument(help: "A hub folder, a .safetensors file or index, or a .gguf file (the first part, if split).")
    var input: String

    @Option(
        name: .shortAndLong,
        help:
            "A path that ends in .gguf, or else a folder for safetensors; for several types the folder of all files."
    )
    var output: String

    @Option(
        help: ArgumentHelp(
            "What to convert to, may be repeated: \(QuantizationType.allCases.map(\.rawValue).joined(separator: ", ")).",
            discussion: "Default: q4_0 for GGUF, bf16 for a folder, which holds bf16, f16, f32, or "
                + "\(QuantizationType.folderTypes.map(\.rawValue).joined(separator: ", ")).",
            valueName: "type"))
    var type: [QuantizationType] = []

    @Flag(help: "Give every matrix the default type: no exceptions for embedding, head and first layers.")
    var pure = false

    @Option(help: ArgumentHelp("Importance matrix of llama-imatrix, GGUF or .dat.", valueName: "file"))
    var imatrix: String?

    @Option(help: ArgumentHelp("Type of the token embedding, tied or not.", valueName: "type"))
    var embeddingType: GGMLType?

    @Option(
        help: ArgumentHelp(
            "Type of the vocabulary head (where it is tied, of the embedding, unless --pure).",
            valueName: "type"))
    var outputType: GGMLType?

    @Option(
        help: ArgumentHelp(
            "Type of the tensors whose GGUF name contains a match; may be repeated, the first match wins.",
            valueName: "regex=type"))
    var tensorType: [TensorTypeOverride] = []

    @Option(
        help: ArgumentHelp(
            "Plan file that says the type of the whole and of single matrices, as --save-plan writes it; instead of --type "
                + "and options for single tensors.",
            valueName: "file"))
    var plan: String?

    @Option(
        help: ArgumentHelp(
            "Write the type of every matrix to this file, to be edited, compared and given to --plan. With --dry-run nothing "
                + "else is written.",
            valueName: "file"))
    var savePlan: String?

    @OptionGroup var form: OutputFormOptions

    @Option(
        help: ArgumentHelp(
            "Split into files of at most this many bytes of tensors: 4G, 500M (powers of 1000).",
            valueName: "size"))
    var splitMaxSize: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Draw each quantized weight uniformly within its quantization cell.",
            discussion: """
                For a quantized source: the result does not lie on a grid, which makes it the nearest thing to an \
                unquantized checkpoint that a quantized file can give. Same seed, same bytes.
                """,
            valueName: "seed"))
    var dither: UInt64?

    @Flag(
        help: ArgumentHelp(
            "Choose scales anew for matrices that lie on the lattice of their type already.",
            discussion: """
                A checkpoint that was trained with fake quantization and written out unquantized lies on a lattice. By \
                default such matrices keep their values. With this they become the bytes of llama-quantize.
                """))
    var ignoreGrid = false

    @Flag(
        help: ArgumentHelp(
            "Write the vision tower and its projector instead, as a GGUF file that llama.cpp calls mmproj.",
            discussion: "Of a hub folder of Gemma 3 from 4B; --type f16 (default), bf16, f32 or q8_0."))
    var mmproj = false

    @OptionGroup(title: "CALIBRATION") var calibration: CalibrationCommandOptions

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "Replace the output if it exists.")
    var force = false

    @Flag(help: "Wait until the output is on disk before it takes its place, to survive a power cut as well.")
    var flush = false

    @Flag(help: "Show what would be done to each tensor, and write nothing.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        let others: [(name: String, isSet: Bool)] = [
            ("type", !type.isEmpty), ("pure", pure), ("embedding-type", embeddingType != nil),
            ("output-type", outputType != nil), ("tensor-type", !tensorType.isEmpty),
        ]
        if plan != nil, let first = others.first(where: \.isSet) {
            throw ValidationError("--plan says what --\(first.name) says: give one of them")
        }
        if calibration.target != nil {
            let others = others + [("plan", plan != nil)]
            if let first = others.first(where: \.isSet) {
                throw ValidationError(
                    "types are chosen for the size that is asked for: leave out --\(first.name), or the size")
            }
        }
        let isFile = output.lowercased().hasSuffix(".gguf")
        if mmproj { try validateVision(others) }
        try form.validate(output: output)
        if form.exporter != nil, type.count > 1 {
            throw ValidationError("--format and --for are for one type: several make files by type")
        }
        guard type.count > 1 else { return }
        if let twice = type.first(where: { one in type.count { $0 == one } > 1 }) {
            throw ValidationError("--type \(twice.rawValue) is there twice")
        }
        if isFile {
            throw ValidationError("several types make several files: name a folder for them, not '\(output)'")
        }
        if savePlan != nil {
            throw ValidationError("--save-plan is for one type: a plan file holds one plan")
        }
    }

    private func validateVision(_ others: [(name: String, isSet: Bool)]) throws {
        let unused =
            others.filter { $0.name != "type" } + [
                ("plan", plan != nil), ("save-plan", savePlan != nil), ("imatrix", imatrix != nil),
                ("calibrate", calibration.isAsked), ("dither", dither != nil), ("format", form.format != nil),
                ("for", form.consumer != nil), ("split-max-size", splitMaxSize != nil),
            ]
        if let first = unused.first(where: \.isSet) {
            throw ValidationError("--mmproj writes the vision tower, which --\(first.name) is not for")
        }
        guard type.count <= 1, visionType != nil else {
            throw ValidationError(
                "--mmproj is of one type: \(VisionConversion.types.map { $0.description.lowercased() }.joined(separator: ", "))"
            )
        }
        guard output.lowercased().hasSuffix(".gguf") else {
            throw ValidationError("--mmproj is a file: name an output that ends in .gguf, not '\(output)'")
        }
    }

    /// The type of the vision tower's matrices.
    private var visionType: GGMLType? {
        guard let type = type.first else { return .f16 }
        return type.format.ggmlType.flatMap { VisionConversion.types.contains($0) ? $0 : nil }
    }

    private func convertVision(_ session: Session) throws {
        let conversion = VisionConversion(try VisionTower(path: input), type: visionType ?? .f16)
        if dryRun {
            let rows = conversion.tower.tensors.map { tensor in
                [
                    tensor.name, tensor.entry.shape.map(String.init).joined(separator: "x"),
                    tensor.type(in: conversion.type).description,
                ]
            }
            return try StandardOutput.print(Text.table([["tensor", "shape", "to"]] + rows, right: []))
        }
        let summary = try conversion.write(
            to: output, threads: threads.count(session), replacing: force, level: session.kernels,
            isCancelled: { session.isInterrupted })
        guard json else {
            return try StandardOutput.print(
                "\(output)\nvision tower, \(summary.tensorCount) tensors as \(conversion.type), "
                    + Text.bytes(summary.byteCount))
        }
        try StandardOutput.print(
            JSONValue.members([
                "input": .string(input), "output": .string(output),
                "type": .string(conversion.type.description),
                "tensors": .integer(summary.tensorCount), "output_bytes": .integer(summary.byteCount),
            ]))
    }

    func run() throws {
        try Session.run { session in
            if mmproj { return try convertVision(session) }
            let destination = try form.destination(output)
            let requests = try requests(
                destination, threads: threads.count(session), level: session.kernels)
            if calibration.isAsked { return try calibrate(requests, destination, session) }
            let source = try ModelCheckpoint(path: input)
            let converters = try requests.map { try Converter($0, source: source) }
            let reports = converters.map { ConversionReport($0) }
            try save(converters[0])
            if dryRun {
                session.warn(ConversionSet.warnings(reports))
                return json
                    ? try StandardOutput.print(ConversionSet.document(reports.map { $0.planJSON() }))
                    : try StandardOutput.print(reports.map(\.planTable).joined(separator: "\n\n"))
            }
            try prepare(requests, destination)
            let progress = ProgressLine(isQuiet: quiet)
            var summaries: [ConversionSummary] = []
            for (converter, report) in zip(converters, reports) {
                progress.note(report.banner(kernels: session.kernels))
                session.warn(report.warnings)
                summaries.append(
                    try converter.run(
                        progress: { progress.update(elapsed: $0.elapsed, ConversionReport.line($0)) },
                        isCancelled: { session.isInterrupted }))
                progress.finish()
            }
            let next = try destination.finish(requests[0].plan.type)
            let all = zip(reports, summaries)
            return json
                ? try StandardOutput.print(ConversionSet.document(all.map { $0.summaryJSON($1) }))
                : try StandardOutput.print(
                    all.map { $0.summaryText($1) }.joined(separator: "\n\n") + Self.line(next))
        }
    }

    /// A last line, where there is one.
    private static func line(_ text: String?) -> String { text.map { "\n" + $0 } ?? "" }

    private func calibrate(
        _ requests: [ConversionRequest], _ destination: OutputDestination, _ session: Session
    ) throws {
        var request = try calibration.request(requests)
        if requests.count > 1, request.scratch == nil {
            request.scratch = FilePath.trimmingSlashes(output) + ".calibration"
        }
        request.planPath = savePlan
        let conversion = try CalibratedConversion(request)
        let report = CalibrationReport(conversion)
        try prepare(requests, destination)
        if request.target == nil { try save(conversion.converters[0]) }
        if dryRun {
            session.warn(report.warnings)
            let estimate = conversion.estimate()
            return json
                ? try StandardOutput.print(report.planJSON(estimate))
                : try StandardOutput.print(report.planText(estimate))
        }
        let progress = ProgressLine(isQuiet: quiet)
        progress.note(report.banner(kernels: session.kernels))
        session.warn(report.warnings)
        let start = ContinuousClock.now
        let summary = try conversion.run(
            progress: { progress.update(elapsed: start.duration(to: .now), $0.line) },
            writing: { progress.update(elapsed: start.duration(to: .now), ConversionReport.line($0)) },
            isCancelled: { session.isInterrupted })
        progress.finish()
        session.warn(report.notes(summary))
        let next = try destination.finish(requests[0].plan.type)
        return json
            ? try StandardOutput.print(report.summaryJSON(summary))
            : try StandardOutput.print(report.summaryText(summary) + Self.line(next))
    }

    /// Makes the folder of several outputs, unless nothing is to be written, and checks that each may be written.
    private func prepare(
        _ requests: [ConversionRequest], _ destination: OutputDestination
    ) throws(CheckpointError) {
        if !dryRun { try destination.prepare(replacing: force) }
        if requests.count > 1 {
            if dryRun, !FilePath.exists(output) { return }
            try FilePath.makeFolder(output)
        }
        for request in requests { try request.checkOutput() }
    }

    /// Writes the plan where that is asked for.
    private func save(_ converter: Converter) throws {
        guard let savePlan else { return }
        let type = converter.request.plan.type
        guard converter.request.exporter.fileEnding != nil else {
            throw CheckpointError(
                .invalidRequest, path: savePlan, "a folder has one type for all matrices, and no plan",
                advice: "leave out --save-plan, or name an output that ends in .gguf")
        }
        try CheckpointWriter.write(
            Array(converter.plan.text(type).utf8), to: savePlan, replacing: force)
    }

    /// The conversion to each type.
    private func requests(
        _ destination: OutputDestination, threads: Int, level: KernelLevel
    ) throws -> [ConversionRequest] {
        let importance = try imatrix.map { path throws(CheckpointError) in
            try ImportanceMatrix(path: path)
        }
        let file = try plan.map { path throws(CheckpointError) in try PlanFile(path: path) }
        let set = ConversionSet(input: input, folder: output)
        let outputs =
            type.count > 1
            ? type.map { ($0, set.path(of: $0)) } : [(file?.type ?? type.first, destination.path)]
        return outputs.map { type, output in
            let exporter = destination.exporter ?? CheckpointExporters.guess(output: output, type: type)
            var request = request(type, file, exporter, output: output, threads: threads, level: level)
            request.importance = importance
            return request
        }
    }

    private func request(
        _ type: QuantizationType?, _ file: PlanFile?, _ exporter: any CheckpointExporter, output: String,
        threads: Int, level: KernelLevel
    ) -> ConversionRequest {
        var plan = QuantizationPlan(type ?? exporter.defaultType)
        plan.file = file
        plan.isPure = pure
        plan.embeddingType = embeddingType
        plan.outputType = outputType
        plan.overrides = tensorType.map(\.override)
        var request = ConversionRequest(
            input: input, output: output, exporter: exporter, plan: plan, threads: threads)
        request.splitSize = splitMaxSize?.bytes
        request.ditherSeed = dither
        request.keepsLattices = !ignoreGrid
        request.replacesOutput = force
        request.flushes = flush
        request.level = level
        return request
    }
}
