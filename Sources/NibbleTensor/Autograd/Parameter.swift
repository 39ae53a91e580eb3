/// Weights that training changes: what a gradient belongs to. Two parameters are the same if they are one object.
public final class Parameter: Sendable, Hashable {
    /// For messages and files: the name of the tensor.
    public let name: String
    /// Values.
    public let count: Int

    /// Creates a parameter of `count` values.
    public init(name: String, count: Int) {
        precondition(count > 0, "parameter '\(name)' of \(count) values")
        self.name = name
        self.count = count
    }

    /// Identity.
    public static func == (left: Parameter, right: Parameter) -> Bool { left === right }

    /// Identity.
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
