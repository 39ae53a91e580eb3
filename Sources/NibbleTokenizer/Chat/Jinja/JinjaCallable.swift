/// Something that a template calls: a function, a method with its object, a macro.
package struct JinjaCallable: Sendable {
    /// Its name, for errors.
    let name: String
    let body: @Sendable (JinjaRun, JinjaCall) throws(JinjaError) -> JinjaValue

    init(
        _ name: String, _ body: @escaping @Sendable (JinjaRun, JinjaCall) throws(JinjaError) -> JinjaValue
    ) {
        self.name = name
        self.body = body
    }
}

/// What a function, a filter or a test is called with.
struct JinjaCall {
    /// Whom it concerns, for errors: `filter 'trim'`.
    let name: String
    var positional: [JinjaValue] = []
    var named: [JinjaValue.Member] = []

    /// Names the arguments: the value of each of `names`, nil where it is not given.
    func arguments(_ names: String...) throws(JinjaError) -> [JinjaValue?] {
        guard positional.count <= names.count else {
            throw JinjaError("\(name) takes \(names.count) arguments, not \(positional.count)")
        }
        var values: [JinjaValue?] = positional + Array(repeating: nil, count: names.count - positional.count)
        for member in named {
            guard let place = names.firstIndex(of: member.name) else {
                throw JinjaError("\(name) has no argument '\(member.name)'")
            }
            values[place] = member.value
        }
        return values
    }

    /// The one argument.
    func argument() throws(JinjaError) -> JinjaValue {
        guard positional.count == 1, named.isEmpty else { throw JinjaError("\(name) takes one argument") }
        return positional[0]
    }
}
