/// A JSON document that keeps the order of its members and the spelling of its numbers.
///
/// Checkpoint folders describe themselves in JSON whose order is meaning (added tokens) and whose integers
/// exceed what a `Double` holds, and it comes from strangers: hence a parser of our own
/// (docs/design/0003-json.md), strict to RFC 8259, that refuses duplicate members and names the byte of an
/// error.
public enum JSONValue: Sendable, Equatable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number as it was written: `1e-06`.
    case number(String)
    /// A string without its quotes and escapes.
    case string(String)
    /// The elements in order.
    case array([JSONValue])
    /// The members in order, names unique.
    case object([Member])

    /// A name and its value in an object.
    public struct Member: Sendable, Equatable {
        /// The name.
        public var name: String
        /// The value.
        public var value: JSONValue

        /// Creates a member.
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }
}

extension JSONValue {
    /// An integer.
    public static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// A finite number, in the shortest form that reads back as the same `Double`.
    public static func real(_ value: Double) -> JSONValue { .number("\(value)") }

    /// An object of members in order.
    public static func members(_ pairs: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(pairs.map { Member($0.key, $0.value) })
    }

    /// The member called `name`; nil where this is no object or has no such member. `O(members)`.
    public subscript(name: String) -> JSONValue? {
        members?.first { $0.name == name }?.value
    }

    /// The members of an object.
    public var members: [Member]? { if case .object(let members) = self { members } else { nil } }

    /// The elements of an array.
    public var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    /// The text of a string.
    public var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The value of a boolean.
    public var flag: Bool? { if case .bool(let flag) = self { flag } else { nil } }

    /// The value of a number that is an integer within `Int`; `1e3` and `2.0` count as integers.
    public var integer: Int? {
        guard case .number(let text) = self else { return nil }
        if let value = Int(text) { return value }
        guard let value = Double(text), abs(value) < 9_007_199_254_740_992 else { return nil }
        return Int(exactly: value)
    }

    /// The value of a number.
    public var real: Double? { if case .number(let text) = self { Double(text) } else { nil } }

    /// Whether this is `null`.
    public var isNull: Bool { self == .null }
}
