/// Typed access to the metadata of a model, as strict as llama.cpp's loader: a key has the one type that the
/// loader asks for, or is an error (llama-model-loader.cpp, `get_key`).
struct GGUFFields {
    let metadata: GGUFMetadata
    let path: String

    /// A count: `u32`.
    func count(_ key: String) throws(CheckpointError) -> Int? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .uint32(let count) = value else { throw wrongType(key, "uint32", value) }
        return Int(count)
    }

    /// A finite number: `f32`.
    func float(_ key: String) throws(CheckpointError) -> Float? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .float32(let number) = value else { throw wrongType(key, "float32", value) }
        guard number.isFinite else { throw error(.invalidValue, key, "is \(number)") }
        return number
    }

    func flag(_ key: String) throws(CheckpointError) -> Bool? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .bool(let flag) = value else { throw wrongType(key, "bool", value) }
        return flag
    }

    func text(_ key: String) throws(CheckpointError) -> String? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .string(let text) = value else { throw wrongType(key, "string", value) }
        return text
    }

    /// An array of strings.
    func texts(_ key: String) throws(CheckpointError) -> [String]? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .array(.string, let elements) = value else {
            throw wrongType(key, "array of string", value)
        }
        return elements.compactMap(\.text)
    }

    /// A count that llama.cpp also accepts as an array with one element a block (`get_key_or_arr`): the first, where
    /// they differ, and an error in `differences`, as no model that can be computed has blocks of different shapes.
    func blockCount(
        _ key: String, layers: Int, _ differences: inout [CheckpointError]
    ) throws(CheckpointError) -> Int? {
        guard let value = try metadata.value(key) else { return nil }
        guard case .array(let type, let elements) = value else { return try count(key) }
        guard type == .uint32 || type == .int32 else { throw wrongType(key, "uint32", value) }
        guard elements.count == layers else {
            throw error(.inconsistent, key, "has \(elements.count) elements, the model has \(layers) blocks")
        }
        let first = elements.first?.integer
        if !elements.allSatisfy({ $0.integer == first }) {
            differences.append(error(.unsupported, key, "differs between blocks"))
        }
        return first
    }

    /// The value of a key that llama.cpp requires.
    func required<Value>(_ key: String, _ value: Value?) throws(CheckpointError) -> Value {
        guard let value else { throw error(.missing, key, "is missing") }
        return value
    }

    func wrongType(_ key: String, _ expected: String, _ found: GGUFValue) -> CheckpointError {
        error(.malformed, key, "has type \(found.typeName), expected \(expected)")
    }

    func error(
        _ code: CheckpointError.Code, _ key: String, _ problem: String, advice: String? = nil
    ) -> CheckpointError {
        CheckpointError(code, path: path, subject: "key '\(key)'", problem, advice: advice)
    }
}

extension GGUFValue {
    /// The type as the specification calls it: `uint32`, `array of string`.
    var typeName: String {
        if case .array(let type, _) = self { "array of \(type)" } else { "\(type)" }
    }
}
