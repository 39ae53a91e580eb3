internal import ArgumentParser
internal import Nibble

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Plans the memory of a model: what it takes in llama.cpp, and where it fits.",
        discussion: """
            Of a checkpoint, or of a model by its name on the hub: \
            \(KnownModel.all.map(\.name).joined(separator: ", ")).

            Weights, keys and values are what llama.cpp allocates, to the byte, sliding windows included; the buffer of \
            computation is that of its CPU build, and an estimate for devices.

            EXAMPLES
              What the types of a model take, and which devices hold them:
                nibble plan gemma-3-27b
              A long context with a cache of 8 bits on some cards:
                nibble plan gemma-3-12b --type q4_0 q4_k_m --context 32768 --kv q8_0 --device 'RTX 3060' --device 24G
              A checkpoint as it is stored, for four users at a time:
                nibble plan gemma.q4_0.gguf --context 8192 --parallel 4
              What it takes to make the best file, or to train it:
                nibble plan gemma-3-4b --calibrate --train
              Google's figures for Gemma 3, and what the models take:
                nibble plan --announcement
            """
    )

    @Argument(help: "A checkpoint, or the name of a model.")
    var model: String?

    @Option(
        name: .long, parsing: .upToNextOption,
        help: ArgumentHelp(
            "What the weights become, one or more types of GGUF files.",
            discussion:
                "Default: as stored, where it is a GGUF file of quantized weights, else q4_0 q4_k_m q8_0 bf16.",
            valueName: "type"))
    var type: [QuantizationType] = []

    @Option(name: .shortAndLong, help: ArgumentHelp("Tokens of a sequence.", valueName: "n"))
    var context = 4096

    @Option(help: ArgumentHelp("Sequences that are computed at a time (-np).", valueName: "n"))
    var parallel = 1

    @Option(
        help: ArgumentHelp(
            "How keys and values are stored: f16, bf16, f32, q8_0, q5_1, q4_0 ...", valueName: "type"))
    var kv = GGMLType.f16

    @Option(help: ArgumentHelp("Tokens of a batch (-ub).", valueName: "n"))
    var batch = 512

    @Option(
        help: ArgumentHelp(
            "A device by its name, as 'RTX 3090' or 'M4 Max 64 GB', or its memory, as 24G; may be repeated; 'all' for all that "
                + "are known.",
            discussion: "Default: of each kind of device the smallest that holds the model.",
            valueName: "device"))
    var device: [String] = []

    @Flag(help: "Give layers with a sliding window the whole context (--swa-full).")
    var swaFull = false

    @Flag(help: "Show what a calibrated conversion takes on this machine, with its defaults.")
    var calibrate = false

    @Flag(help: "Show what training takes on this machine, with the default recipe.")
    var train = false

    @Option(
        help: ArgumentHelp(
            "Memory that --calibrate and --train may use, as 8G; by default nine tenths of this machine's.",
            valueName: "size"))
    var memory: ByteSize?

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "Compute what Google announced of Gemma 3, beside what the models take.")
    var announcement = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        for (name, value) in [("context", context), ("parallel", parallel), ("batch", batch)] {
            guard !(1...1_000_000_000).contains(value) else { continue }
            throw ValidationError("--\(name) is \(value), expected 1 to 1000000000")
        }
        guard context * parallel <= 1_000_000_000 else {
            throw ValidationError(
                "--context \(context) and --parallel \(parallel) are \(context * parallel) positions, expected 1000000000 "
                    + "at most")
        }
        if let folder = type.first(where: { !$0.isGGUF }) {
            throw ValidationError("--type \(folder.rawValue) is of folders, which llama.cpp does not run")
        }
        guard KeyValueMemory.types.contains(kv) else {
            let types = KeyValueMemory.types.map { $0.description.lowercased() }
            throw ValidationError(
                "--kv is \(kv.description.lowercased()); llama.cpp has \(types.joined(separator: ", "))")
        }
        if memory != nil, !calibrate, !train {
            throw ValidationError("--memory is for --calibrate and --train")
        }
        if announcement {
            if model != nil { throw ValidationError("--announcement stands alone: it is of Gemma 3") }
        } else if model == nil {
            throw ValidationError("name a checkpoint or a model, or ask for --announcement")
        }
    }

    func run() throws {
        try Session.run { session in
            guard let model else {
                let report = try AnnouncementReport()
                return try StandardOutput.print(json ? report.json : report.text)
            }
            var options = KeyValueMemory.Options(context: context * parallel)
            options.sequences = parallel
            options.batch = batch
            (options.keyType, options.valueType) = (kv, kv)
            options.isFull = swaFull
            let subject = try MemorySubject(model)
            var report = try MemoryReport(subject, types: type, options, devices: try devices())
            if calibrate || train {
                report.making = try MakingReport(
                    subject, types: type.isEmpty ? [.q4_0] : type, calibrates: calibrate, trains: train,
                    memory: memory?.bytes, threads: threads.count(session))
            }
            session.warn(report.warnings)
            try StandardOutput.print(json ? report.json : report.text)
        }
    }

    /// The devices that are asked for; nil: those on which the model fits.
    private func devices() throws(CheckpointError) -> [Device]? {
        guard !device.isEmpty else { return nil }
        var devices: [Device] = []
        for name in device {
            if name.lowercased() == "all" {
                devices += Device.all
            } else if let size = ByteSize(argument: name) {
                devices.append(Device(bytes: size.bytes, name: name))
            } else {
                devices.append(try Device.named(name))
            }
        }
        return devices
    }
}
