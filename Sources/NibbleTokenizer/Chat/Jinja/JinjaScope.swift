/// Names and their values, within others.
final class JinjaScope {
    private var values: [String: JinjaValue] = [:]
    private let parent: JinjaScope?
    /// How many loops it is in.
    var loopDepth: Int

    init(_ values: [String: JinjaValue] = [:], parent: JinjaScope? = nil) {
        self.values = values
        self.parent = parent
        loopDepth = parent?.loopDepth ?? 0
    }

    /// Forgets all.
    func clear() { values = [:] }

    func set(_ name: String, _ value: JinjaValue) { values[name] = value }

    func value(_ name: String) -> JinjaValue? {
        var scope: JinjaScope? = self
        while let current = scope {
            if let value = current.values[name] { return value }
            scope = current.parent
        }
        return nil
    }
}

/// What `loop` is in a loop.
final class JinjaLoopState: @unchecked Sendable {
    // Only the run that made it uses it.
    private let items: [JinjaValue]
    private var last: JinjaValue?

    init(_ items: [JinjaValue]) { self.items = items }

    func value(at index: Int, depth: Int) -> JinjaValue {
        let count = items.count
        var members: [JinjaValue.Member] = [
            .init("index", .integer(index + 1)), .init("index0", .integer(index)),
            .init("revindex", .integer(count - index)), .init("revindex0", .integer(count - index - 1)),
            .init("first", .bool(index == 0)), .init("last", .bool(index == count - 1)),
            .init("length", .integer(count)), .init("depth", .integer(depth + 1)),
            .init("depth0", .integer(depth)),
            .init(
                "cycle",
                .callable(
                    JinjaCallable("cycle") { _, call throws(JinjaError) in
                        guard !call.positional.isEmpty else { throw JinjaError("cycle has no values") }
                        return call.positional[index % call.positional.count]
                    })),
            .init(
                "changed",
                .callable(
                    JinjaCallable("changed") { [self] _, call in
                        let value = JinjaValue.list(call.positional)
                        defer { last = value }
                        return .bool(!(last?.equals(value) ?? false))
                    })),
        ]
        if index > 0 { members.append(.init("previtem", items[index - 1])) }
        if index + 1 < count { members.append(.init("nextitem", items[index + 1])) }
        return .dictionary(members)
    }
}
