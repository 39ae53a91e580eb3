extension Provenance {
    /// The pairs for a GGUF file, perplexities in the order of their names.
    var ggufEntries: [(key: String, value: GGUFValue)] {
        typealias Key = ProvenanceKey
        var entries: [(key: String, value: GGUFValue)] = [
            (Key.teacherName, .string(teacherName)), (Key.teacherDigest, .string(teacherDigest)),
            (Key.plan, .string(plan)), (Key.recipeDigest, .string(recipeDigest)),
            (Key.textDigest, .string(textDigest)), (Key.steps, .uint64(UInt64(steps))),
            (Key.tokens, .uint64(UInt64(tokens))), (Key.seed, .uint64(seed)),
            (Key.nibbleVersion, .string(nibbleVersion)),
        ]
        if let heldOutTextDigest { entries.append((Key.heldOutTextDigest, .string(heldOutTextDigest))) }
        for (name, value) in perplexities.sorted(by: { $0.key < $1.key }) {
            entries.append((Key.perplexity + name, .float64(value)))
        }
        if let calibration {
            entries.append((Key.calibrationTokens, .uint64(UInt64(calibration.tokens))))
            if let digest = calibration.textDigest { entries.append((Key.calibrationText, .string(digest))) }
            entries.append((Key.calibrationMethods, .string(calibration.lines)))
        }
        return entries
    }

    /// The same as strings, for the `__metadata__` of a safetensors file. Numbers read back exactly.
    package var safetensorsEntries: [(String, String)] {
        ggufEntries.map { key, value in
            switch value {
            case .string(let text): (key, text)
            case .uint64(let number): (key, "\(number)")
            case .float64(let number): (key, "\(number)")
            default: preconditionFailure("'\(key)' is a \(value.type)")
            }
        }
    }

    /// What GGUF metadata say; nil where they have no key of a provenance.
    ///
    /// - Throws: ``CheckpointError`` where a key is missing or of another type.
    package init?(ggufMetadata metadata: GGUFMetadata, path: String) throws(CheckpointError) {
        try self.init(keys: metadata.keys, path: path) { key throws(CheckpointError) in
            try metadata.value(key)
        }
    }

    /// What the metadata of safetensors files say; nil where they have no key of a provenance.
    ///
    /// - Throws: ``CheckpointError`` where a key is missing or a number cannot be read.
    package init?(safetensorsMetadata metadata: [String: String], path: String) throws(CheckpointError) {
        try self.init(keys: metadata.keys.sorted(), path: path) { key in
            guard let text = metadata[key] else { return nil }
            switch key {
            case ProvenanceKey.steps, ProvenanceKey.tokens, ProvenanceKey.seed,
                ProvenanceKey.calibrationTokens:
                return UInt64(text).map { .uint64($0) } ?? .string(text)
            default:
                guard key.hasPrefix(ProvenanceKey.perplexity) else { return .string(text) }
                return Double(text).map { .float64($0) } ?? .string(text)
            }
        }
    }

    private init?(
        keys: [String], path: String, value: @escaping (String) throws(CheckpointError) -> GGUFValue?
    ) throws(CheckpointError) {
        let keys = keys.filter { $0.hasPrefix(ProvenanceKey.prefix) }
        guard !keys.isEmpty else { return nil }
        let fields = ProvenanceFields(path: path, value: value)
        var perplexities: [String: Double] = [:]
        for key in keys where key.hasPrefix(ProvenanceKey.perplexity) && key != ProvenanceKey.perplexity {
            perplexities[String(key.dropFirst(ProvenanceKey.perplexity.count))] = try fields.real(key)
        }
        let hasHeldOut = keys.contains(ProvenanceKey.heldOutTextDigest)
        let isCalibrated = keys.contains(ProvenanceKey.calibrationTokens)
        self.init(
            teacherName: try fields.text(ProvenanceKey.teacherName),
            teacherDigest: try fields.text(ProvenanceKey.teacherDigest),
            plan: try fields.text(ProvenanceKey.plan),
            recipeDigest: try fields.text(ProvenanceKey.recipeDigest),
            textDigest: try fields.text(ProvenanceKey.textDigest),
            steps: try fields.count(ProvenanceKey.steps), tokens: try fields.count(ProvenanceKey.tokens),
            seed: try fields.number(ProvenanceKey.seed),
            nibbleVersion: try fields.text(ProvenanceKey.nibbleVersion), perplexities: perplexities,
            heldOutTextDigest: hasHeldOut ? try fields.text(ProvenanceKey.heldOutTextDigest) : nil,
            calibration: isCalibrated ? try Self.calibration(fields, keys) : nil)
    }

    private static func calibration(
        _ fields: ProvenanceFields, _ keys: [String]
    ) throws(CheckpointError) -> Calibration {
        let hasText = keys.contains(ProvenanceKey.calibrationText)
        return Calibration(
            tokens: try fields.count(ProvenanceKey.calibrationTokens),
            textDigest: hasText ? try fields.text(ProvenanceKey.calibrationText) : nil,
            lines: try fields.text(ProvenanceKey.calibrationMethods))
    }
}

/// Typed access to the values of a provenance, with errors that name the key.
private struct ProvenanceFields {
    let path: String
    let value: (String) throws(CheckpointError) -> GGUFValue?

    func text(_ key: String) throws(CheckpointError) -> String {
        let value = try required(key)
        guard let text = value.text else { throw mismatch(key, value, expected: "a string") }
        return text
    }

    func real(_ key: String) throws(CheckpointError) -> Double {
        let value = try required(key)
        guard let real = value.real else { throw mismatch(key, value, expected: "a floating-point number") }
        return real
    }

    func number(_ key: String) throws(CheckpointError) -> UInt64 {
        let value = try required(key)
        if case .uint64(let number) = value { return number }
        guard let number = value.integer.flatMap({ UInt64(exactly: $0) }) else {
            throw mismatch(key, value, expected: "an integer of 0 or more")
        }
        return number
    }

    func count(_ key: String) throws(CheckpointError) -> Int {
        let number = try number(key)
        guard let count = Int(exactly: number) else {
            throw mismatch(key, .uint64(number), expected: "at most \(Int.max)")
        }
        return count
    }

    private func required(_ key: String) throws(CheckpointError) -> GGUFValue {
        guard let value = try value(key) else {
            throw CheckpointError(
                .missing, path: path, subject: "key '\(key)'",
                "is missing, while other keys of '\(ProvenanceKey.prefix)*' are there")
        }
        return value
    }

    private func mismatch(_ key: String, _ value: GGUFValue, expected: String) -> CheckpointError {
        let found = value.text.map { "the string '\($0.prefix(40))'" } ?? "a value of type \(value.type)"
        return CheckpointError(
            .malformed, path: path, subject: "key '\(key)'", "is \(found), expected \(expected)")
    }
}
