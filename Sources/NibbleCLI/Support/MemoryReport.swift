internal import Nibble

/// What a model takes in memory, and where it fits, as text and as JSON.
struct MemoryReport {
    private let subject: MemorySubject
    private let options: KeyValueMemory.Options
    private let plans: [Plan]
    /// Where each type might run.
    private let devices: [Device]
    /// What it takes to make the files; nil where that is not asked for.
    var making: MakingReport?

    /// The model with weights of one type.
    private struct Plan {
        let type: String
        let memory: InferenceMemory
        /// Bytes of the GGUF file, where they are known.
        let fileBytes: Int?
        /// On each of the devices.
        var placements: [DevicePlacement]
    }

    /// - Parameters:
    ///   - types: what weights become; empty: what people choose from.
    ///   - devices: where the model might run; nil: those on which it fits.
    init(
        _ subject: MemorySubject, types: [QuantizationType], _ options: KeyValueMemory.Options,
        devices: [Device]?
    ) throws(CheckpointError) {
        self.subject = subject
        self.options = options
        var plans: [Plan] = []
        func add(_ type: String, _ memory: InferenceMemory, file: Int?) throws(CheckpointError) {
            var placements: [DevicePlacement] = []
            for device in devices ?? Device.all { placements.append(try DevicePlacement(memory, on: device)) }
            plans.append(Plan(type: type, memory: memory, fileBytes: file, placements: placements))
        }
        if types.isEmpty, let stored = subject.checkpoint, stored.isQuantizedFile {
            try add(
                "as stored", try InferenceMemory(subject, WeightBytes(stored: stored), options), file: nil)
        } else {
            for type in types.isEmpty ? [.q4_0, .q4_k_m, .q8_0, .bf16] : types {
                let own = QuantizationPlan(type)
                try add(
                    type.rawValue, try InferenceMemory(subject, own, options), file: subject.fileBytes(own))
            }
        }
        let shown = devices == nil ? Self.smallest(plans) : Array((devices ?? []).indices)
        for index in plans.indices { plans[index].placements = shown.map { plans[index].placements[$0] } }
        self.plans = plans
        self.devices = shown.map { (devices ?? Device.all)[$0] }
    }

    /// The devices that are, for a type, the smallest of their kind on which it fits; by kind and size.
    private static func smallest(_ plans: [Plan]) -> [Int] {
        var shown: [Int] = []
        for kind in Device.Kind.allCases {
            let best = plans.compactMap { plan in
                plan.placements.indices.filter {
                    plan.placements[$0].fits && plan.placements[$0].device.kind == kind
                }
                .min { plan.placements[$0].device.usableBytes < plan.placements[$1].device.usableBytes }
            }
            shown += Set(best).sorted {
                plans[0].placements[$0].device.usableBytes < plans[0].placements[$1].device.usableBytes
            }
        }
        return shown
    }

    /// What the user should know before relying on it.
    var warnings: [String] {
        var warnings = subject.checkpoint?.notes.map(\.description) ?? []
        let (asked, made) = (options.context / options.sequences, subject.configuration.contextLength)
        if asked > made {
            warnings.append(
                "a sequence has \(Text.grouped(asked)) tokens, the model was made for \(Text.grouped(made))")
        }
        return warnings
    }

    // MARK: - Text

    var text: String {
        let columns = [
            "type", "file", "bits/weight", "blocks", "embedding", "head", "vision", "cache", "compute",
            "logits",
            "total",
        ]
        let rows = plans.map { plan in
            let memory = plan.memory
            let weights = memory.weights
            return [
                plan.type, plan.fileBytes.map { Text.bytes($0) } ?? "",
                Text.bits(Double(weights.total * 8) / Double(max(weights.parameterCount, 1))),
                Text.bytes(weights.body), Text.bytes(weights.embedding), Self.optional(weights.head),
                Self.optional(memory.visionBytes), Text.bytes(memory.cache.bytes),
                Text.bytes(memory.computeBytes), Text.bytes(memory.outputBytes), Text.bytes(memory.total),
            ]
        }
        let sections = [head, Text.table([columns] + rows, right: Set(1...10)), placements, making?.text]
        return sections.compactMap { $0 }.joined(separator: "\n\n")
    }

    private static func optional(_ bytes: Int) -> String { bytes > 0 ? Text.bytes(bytes) : "" }

    private var head: String {
        let shape = subject.configuration
        let count = plans.first?.memory.weights.parameterCount ?? 0
        let vision =
            subject.visionParameterCount > 0
            ? ", vision tower of \(Text.count(subject.visionParameterCount))" : ""
        let window = shape.slidingWindow.map { window in
            let sliding = plans.first?.memory.cache.slidingLayers ?? 0
            return ", \(sliding) with a window of \(Text.grouped(window)) tokens"
        }
        let sequences = options.sequences == 1 ? "1 sequence" : "\(options.sequences) sequences"
        return """
            \(subject.name): \(shape.architecture.rawValue), \(Text.count(count)) parameters\(vision), \
            \(shape.layerCount) layers\(window ?? ""), context to \(Text.grouped(shape.contextLength))
            llama.cpp, \(sequences) of \(Text.grouped(options.positions)) tokens, cache of \
            \(options.keyType.description.lowercased()), batches of \(Text.grouped(options.batch))
            """
    }

    /// A row for each device, a column for each type: how far its context goes, or how many layers fit.
    private var placements: String {
        guard !devices.isEmpty else { return "fits on no device that is known" }
        let rows = devices.enumerated().map { index, device in
            [device.name, Text.bytes(device.bytes), Text.bytes(device.usableBytes)]
                + plans.map { Self.cell($0.placements[index]) }
        }
        let head = ["longest context on", "memory", "usable"] + plans.map(\.type)
        return Text.table([head] + rows, right: Set(1...2 + plans.count)) + "\n\n" + """
            Where not all layers fit on a graphics card: how many do (-ngl). Usable memory of devices, and what computation \
            takes there, are estimates.
            """
    }

    private static func cell(_ place: DevicePlacement) -> String {
        let context = place.longestContext.map { Text.grouped($0) }
        if place.fits { return context ?? "fits" }
        let layers = place.device.kind.isCard ? "\(place.layers) of \(place.layerCount) layers" : nil
        let parts = [context, layers].compactMap { $0 }
        return parts.isEmpty ? "no" : parts.joined(separator: ", or ")
    }

    // MARK: - JSON

    var json: String {
        let shape = subject.configuration
        let document = JSONValue.members([
            "model": .string(subject.name), "architecture": .string(shape.architecture.rawValue),
            "layers": .integer(shape.layerCount), "context_length": .integer(shape.contextLength),
            "vision_parameters": .integer(subject.visionParameterCount),
            "options": .members([
                "context": .integer(options.positions), "sequences": .integer(options.sequences),
                "batch": .integer(options.batch), "kv": .string(options.keyType.description),
                "swa_full": .bool(options.isFull),
            ]),
            "plans": .array(plans.map(Self.json)), "making": making?.json ?? .null,
            "warnings": .array(warnings.map { .string($0) }),
        ])
        return String(document.serialized().dropLast())
    }

    private static func json(_ plan: Plan) -> JSONValue {
        let (memory, weights) = (plan.memory, plan.memory.weights)
        return .members([
            "type": .string(plan.type), "file_bytes": plan.fileBytes.map { .integer($0) } ?? .null,
            "parameters": .integer(weights.parameterCount),
            "weights": .members([
                "blocks": .integer(weights.body), "embedding": .integer(weights.embedding),
                "head": .integer(weights.head), "total": .integer(weights.total),
            ]),
            "vision_bytes": .integer(memory.visionBytes),
            "cache": .members([
                "global_bytes": .integer(memory.cache.globalBytes),
                "sliding_bytes": .integer(memory.cache.slidingBytes),
                "total": .integer(memory.cache.bytes),
            ]),
            "compute_bytes": .integer(memory.computeBytes), "output_bytes": .integer(memory.outputBytes),
            "total_bytes": .integer(memory.total), "devices": .array(plan.placements.map(Self.json)),
        ])
    }

    private static func json(_ place: DevicePlacement) -> JSONValue {
        .members([
            "name": .string(place.device.name), "kind": .string(place.device.kind.rawValue),
            "bytes": .integer(place.device.bytes), "usable_bytes": .integer(place.device.usableBytes),
            "needed_bytes": .integer(place.neededBytes), "fits": .bool(place.fits),
            "layers": .integer(place.layers), "of_layers": .integer(place.layerCount),
            "longest_context": place.longestContext.map { .integer($0) } ?? .null,
        ])
    }
}
