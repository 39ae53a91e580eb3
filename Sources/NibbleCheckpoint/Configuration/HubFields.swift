/// Typed access to a JSON object of a hub folder; errors name file and field.
struct HubFields {
    let json: JSONValue
    let path: String

    func error(
        _ code: CheckpointError.Code, _ name: String, _ problem: String, advice: String? = nil
    ) -> CheckpointError {
        CheckpointError(code, path: path, subject: "'\(name)'", problem, advice: advice)
    }

    /// The value of a field; nil where it is absent or null.
    func value(_ name: String) -> JSONValue? {
        guard let value = json[name], !value.isNull else { return nil }
        return value
    }

    /// A count between 1 and 2^31.
    func count(_ name: String) throws(CheckpointError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let count = value.integer, (1...Int(Int32.max)).contains(count) else {
            throw error(
                .malformed, name, "is \(value.serialized(pretty: false)), expected a positive integer")
        }
        return count
    }

    /// A finite number above 0.
    func positive(_ name: String) throws(CheckpointError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.real, number > 0, number.isFinite else {
            throw error(.malformed, name, "is \(value.serialized(pretty: false)), expected a number above 0")
        }
        return number
    }

    /// A finite number, 0 or above.
    func nonNegative(_ name: String) throws(CheckpointError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.real, number >= 0, number.isFinite else {
            throw error(.malformed, name, "is \(value.serialized(pretty: false)), expected 0 or more")
        }
        return number
    }

    func flag(_ name: String) throws(CheckpointError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard let flag = value.flag else { throw error(.malformed, name, "is neither true nor false") }
        return flag
    }

    func text(_ name: String) throws(CheckpointError) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.text else { throw error(.malformed, name, "is no string") }
        return text
    }

    /// The fields of an object.
    func object(_ name: String) throws(CheckpointError) -> HubFields? {
        guard let value = value(name) else { return nil }
        guard value.members != nil else { throw error(.malformed, name, "is no object") }
        return HubFields(json: value, path: path)
    }

    func required<Value>(_ name: String, _ value: Value?) throws(CheckpointError) -> Value {
        guard let value else { throw error(.missing, name, "is missing") }
        return value
    }
}
