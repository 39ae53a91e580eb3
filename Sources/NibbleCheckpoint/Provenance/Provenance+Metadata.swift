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
        typealias Key = ProvenanceKey
        let keys = metadata.keys.filter { $0.hasPrefix(Key.prefix) }
        guard !keys.isEmpty else { return nil }
        let fields = GGUFFields(metadata: metadata, path: path)
        func text(_ key: String) throws(CheckpointError) -> String {
            try fields.required(key, fields.text(key))
        }
        func number(_ key: String) throws(CheckpointError) -> UInt64 {
            let value = try fields.required(key, metadata.value(key))
            guard case .uint64(let number) = value else { throw fields.wrongType(key, "uint64", value) }
            return number
        }
        func count(_ key: String) throws(CheckpointError) -> Int {
            let number = try number(key)
            guard let count = Int(exactly: number) else {
                throw fields.error(.malformed, key, "is \(number), expected at most \(Int.max)")
            }
            return count
        }
        var perplexities: [String: Double] = [:]
        for key in keys where key.hasPrefix(Key.perplexity) && key != Key.perplexity {
            let value = try fields.required(key, metadata.value(key))
            guard case .float64(let number) = value else { throw fields.wrongType(key, "float64", value) }
            perplexities[String(key.dropFirst(Key.perplexity.count))] = number
        }
        var calibration: Calibration?
        if keys.contains(Key.calibrationTokens) {
            calibration = Calibration(
                tokens: try count(Key.calibrationTokens), textDigest: try fields.text(Key.calibrationText),
                lines: try text(Key.calibrationMethods))
        }
        self.init(
            teacherName: try text(Key.teacherName), teacherDigest: try text(Key.teacherDigest),
            plan: try text(Key.plan), recipeDigest: try text(Key.recipeDigest),
            textDigest: try text(Key.textDigest), steps: try count(Key.steps), tokens: try count(Key.tokens),
            seed: try number(Key.seed), nibbleVersion: try text(Key.nibbleVersion),
            perplexities: perplexities, heldOutTextDigest: try fields.text(Key.heldOutTextDigest),
            calibration: calibration)
    }

    /// What the metadata of safetensors files say; nil where they have no key of a provenance.
    ///
    /// - Throws: ``CheckpointError`` where a key is missing or a number cannot be read.
    package init?(safetensorsMetadata metadata: [String: String], path: String) throws(CheckpointError) {
        typealias Key = ProvenanceKey
        let numbers = [Key.steps, Key.tokens, Key.seed, Key.calibrationTokens]
        var typed = GGUFMetadata()
        for (key, text) in metadata.sorted(by: { $0.key < $1.key }) {
            var value: GGUFValue? = .string(text)
            if numbers.contains(key) { value = UInt64(text).map { .uint64($0) } }
            if key.hasPrefix(Key.perplexity) { value = Double(text).map { .float64($0) } }
            guard let value else {
                throw CheckpointError(
                    .malformed, path: path, subject: "key '\(key)'", "is '\(text)', expected a number")
            }
            typed.set(key, value)
        }
        try self.init(ggufMetadata: typed, path: path)
    }
}
