/// The functions that every template may call.
enum JinjaFunctions {
    static let globals: [String: JinjaValue] = Dictionary(
        uniqueKeysWithValues: [
            JinjaCallable("range", range),
            JinjaCallable("namespace") { _, call throws(JinjaError) in

                .namespace(JinjaNamespace(try checked(call)))
            },
            JinjaCallable("dict") { _, call throws(JinjaError) in .dictionary(try checked(call)) },
            JinjaCallable("raise_exception") { _, call throws(JinjaError) in
                var error = JinjaError(call.positional.first?.text ?? "")
                error.isRaised = true
                throw error
            },
        ].map { ($0.name, JinjaValue.callable($0)) })

    @Sendable private static func range(_ run: JinjaRun, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
        var bounds: [Int] = []
        for value in call.positional {
            guard let bound = value.integer else {
                throw JinjaError("range takes integers, not a \(value.typeName)")
            }
            bounds.append(bound)
        }
        guard (1...3).contains(bounds.count), call.named.isEmpty else {
            throw JinjaError("range takes one to three integers")
        }
        let step = bounds.count > 2 ? bounds[2] : 1
        guard step != 0 else { throw JinjaError("the step of a range is 0") }
        let end = bounds.count > 1 ? bounds[1] : bounds[0]
        var value = bounds.count > 1 ? bounds[0] : 0
        var list: [JinjaValue] = []
        while step > 0 ? value < end : value > end {
            // The sandbox of jinja2 has the same limit.
            guard list.count < 100_000 else { throw JinjaError("a range has more than 100000 numbers") }
            list.append(.integer(value))
            let (next, overflow) = value.addingReportingOverflow(step)
            if overflow { break }
            value = next
        }
        return .list(list)
    }

    private static func checked(_ call: JinjaCall) throws(JinjaError) -> [JinjaValue.Member] {
        let members = try members(call)
        _ = try JinjaRun.checked(.dictionary(members))
        return members
    }

    private static func members(_ call: JinjaCall) throws(JinjaError) -> [JinjaValue.Member] {
        guard let first = call.positional.first else { return call.named }
        switch first {
        case .dictionary(let members): return members + call.named
        case .namespace(let namespace): return namespace.members + call.named
        default: throw JinjaError("\(call.name) takes a dictionary, not a \(first.typeName)")
        }
    }

    /// `strftime_now(format)`: the date in `format`, of numbers and English names.
    ///
    /// - Parameter date: year, month, day, hour, minute, second.
    static func clock(_ date: ChatDate) -> JinjaValue {
        .callable(
            JinjaCallable("strftime_now") { _, call throws(JinjaError) in
                .string(try date.formatted(try call.argument().text))
            })
    }
}
