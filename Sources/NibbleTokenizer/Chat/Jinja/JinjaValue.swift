package import NibbleCheckpoint

/// What variables and expressions of a template hold, with Python's meaning.
package indirect enum JinjaValue: Sendable {
    /// A name without a value: false, empty text.
    case undefined(String)
    /// `none`
    case none
    /// `true` or `false`
    case bool(Bool)
    /// An integer.
    case integer(Int)
    /// A number that is no integer.
    case float(Double)
    /// Text.
    case string(String)
    /// A list or a tuple, which prints as a list.
    case list([JinjaValue])
    /// A dictionary of names, in order.
    case dictionary([Member])
    /// What `namespace()` gives: its members may be set anywhere.
    case namespace(JinjaNamespace)
    /// Something to call.
    case callable(JinjaCallable)

    /// A name and its value.
    package struct Member: Sendable {
        package var name: String
        package var value: JinjaValue
        /// Whether the name is the text of an integer that a template has as key.
        var isInteger = false

        package init(_ name: String, _ value: JinjaValue) { (self.name, self.value) = (name, value) }

        /// The name as the value that it is.
        var key: JinjaValue { isInteger ? .integer(Int(name) ?? 0) : .string(name) }
    }
}

/// Members that a template sets: one object, however many names it has.
package final class JinjaNamespace: @unchecked Sendable {
    // Only the run that made it sets members.
    var members: [JinjaValue.Member]

    init(_ members: [JinjaValue.Member]) { self.members = members }
}

extension JinjaValue {
    /// The value of a JSON document.
    package init(_ json: JSONValue) {
        switch json {
        case .null: self = .none
        case .bool(let flag): self = .bool(flag)
        case .number(let text): self = Int(text).map(JinjaValue.integer) ?? .float(Double(text) ?? .nan)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .list(elements.map(JinjaValue.init))
        case .object(let members): self = .dictionary(members.map { Member($0.name, JinjaValue($0.value)) })
        }
    }

    /// Whether it counts as true.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let flag): flag
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.utf8.isEmpty
        case .list(let elements): !elements.isEmpty
        case .dictionary(let members): !members.isEmpty
        case .namespace, .callable: true
        }
    }

    /// Python's name of the type, for errors.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "none"
        case .bool: "boolean"
        case .integer: "integer"
        case .float: "float"
        case .string: "string"
        case .list: "list"
        case .dictionary: "dictionary"
        case .namespace: "namespace"
        case .callable: "function"
        }
    }

    /// The member called `name` of a dictionary or namespace.
    func member(_ name: String) -> JinjaValue? {
        let members: [Member]
        switch self {
        case .dictionary(let own): members = own
        case .namespace(let namespace): members = namespace.members
        default: return nil
        }
        return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// A number, where it is one: `true` counts as 1.
    var number: Double? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .integer(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }

    /// An integer, where it is one: `true` counts as 1.
    var integer: Int? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .integer(let value): value
        default: nil
        }
    }

    /// Whether it is a list or dictionary of more than `levels` levels.
    func isDeeper(than levels: Int) -> Bool {
        switch self {
        case .list(let elements): levels == 0 || elements.contains { $0.isDeeper(than: levels - 1) }
        case .dictionary(let members): levels == 0 || members.contains { $0.value.isDeeper(than: levels - 1) }
        default: false
        }
    }

    /// Whether one of its elements or members is a namespace.
    var holdsNamespace: Bool {
        func isNamespace(_ value: JinjaValue) -> Bool { if case .namespace = value { true } else { false } }
        return switch self {
        case .list(let elements): elements.contains(where: isNamespace)
        case .dictionary(let members): members.contains { isNamespace($0.value) }
        default: false
        }
    }

    /// Whether both are equal, as `==` has it.
    func equals(_ other: JinjaValue) -> Bool {
        if let left = integer, let right = other.integer { return left == right }
        if let left = number, let right = other.number { return left == right }
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)): return left.utf8.elementsEqual(right.utf8)
        case (.list(let left), .list(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { $0.equals($1) }
        case (.dictionary(let left), .dictionary(let right)):
            return left.count == right.count
                && left.allSatisfy { other.member($0.name)?.equals($0.value) ?? false }
        case (.namespace(let left), .namespace(let right)): return left === right
        default: return false
        }
    }
}
