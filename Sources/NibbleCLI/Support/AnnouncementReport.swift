internal import Nibble

/// What Google announced of Gemma 3's memory beside what the models take, as text and as JSON.
struct AnnouncementReport {
    private let sizes: [Announcement]

    init() throws(CheckpointError) { sizes = try Announcement.sizes() }

    /// `14.1`: units of 10⁹ bytes, as the announcement has them.
    private static func billions(_ bytes: Int) -> String { Text.fixed(Double(bytes) / 1e9, 1) }

    // MARK: - Text

    var text: String {
        let weights = sizes.map { size in
            [
                size.model.name, Text.fixed(Double(size.parameterCount) / 1e9, 3),
                Text.fixed(size.published.bf16, 1), Self.billions(size.bf16),
                Text.fixed(size.published.sfp8, 1), Self.billions(size.sfp8),
                Text.fixed(size.published.int4, 1), Self.billions(size.int4),
                Self.billions(size.exactBF16), Self.billions(size.q4_0), Self.billions(size.visionBytes),
            ]
        }
        let columns = [
            "weights in GB", "10⁹ parameters", "BF16 announced", "computed", "SFP8 announced", "computed",
            "int4 announced", "computed", "BF16 exact", "Q4_0 exact", "vision, 16 bits",
        ]
        let caches = sizes.map { size in
            [size.model.name, Text.fixed(size.published.cache, 1)]
                + size.caches.map { Self.billions($0.bytes) }
        }
        let kinds = (sizes.first?.caches ?? []).map { cache in
            "\(cache.type)" + (cache.isFull ? ", all positions" : ", windows")
        }
        let head = ["cache of \(Text.grouped(Announcement.context)) tokens in GB", "announced"] + kinds
        return [
            Text.table([columns] + weights, right: Set(1...10)),
            Text.table([head] + caches, right: Set(1...5)),
            explanation, Announcement.sources.joined(separator: "\n"),
        ].joined(separator: "\n\n")
    }

    private var explanation: String {
        guard let largest = sizes.last else { return "" }
        return """
            Announced weights are computed from nominal sizes: whole billions of parameters of 16, 8 or 4 bits without \
            scales, those of the vision tower of 16 bits. What a model takes differs: \(largest.model.name) has \
            \(Text.fixed(Double(largest.parameterCount) / 1e9, 2)) billion parameters; a weight of Q4_0 takes 4.5 bits with its \
            scale; llama-quantize keeps the embedding at 6.6 bits (Q6_K); and the vision tower is a file of its own.
            The announced cache is said to be of 8 bits. It is nearer to 16 bits for all positions of all layers. llama.cpp \
            holds no more than the window, 512 or 1,024 tokens and a batch, of five layers in six.
            """
    }

    // MARK: - JSON

    var json: String {
        let document = JSONValue.members([
            "sizes": .array(sizes.map(Self.json)),
            "sources": .array(Announcement.sources.map { .string($0) }),
        ])
        return String(document.serialized().dropLast())
    }

    private static func json(_ size: Announcement) -> JSONValue {
        func figure(_ published: Double, _ computed: Int) -> JSONValue {
            .members(["announced_gb": .real(published), "computed_bytes": .integer(computed)])
        }
        return .members([
            "model": .string(size.model.name), "parameters": .integer(size.parameterCount),
            "nominal_parameters": .integer(size.nominalCount),
            "bf16": figure(size.published.bf16, size.bf16), "sfp8": figure(size.published.sfp8, size.sfp8),
            "int4": figure(size.published.int4, size.int4), "exact_bf16_bytes": .integer(size.exactBF16),
            "exact_q4_0_bytes": .integer(size.q4_0), "vision_bytes": .integer(size.visionBytes),
            "cache": .members([
                "announced_gb": .real(size.published.cache), "tokens": .integer(Announcement.context),
                "computed": .array(
                    size.caches.map {
                        .members([
                            "type": .string($0.type.description), "all_positions": .bool($0.isFull),
                            "bytes": .integer($0.bytes),
                        ])
                    }),
            ]),
        ])
    }
}
