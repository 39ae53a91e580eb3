/// A run of a template: what it has printed so far.
final class JinjaRun: @unchecked Sendable {
    // Only the thread that made it uses it.

    /// What has been printed.
    private(set) var output: [UInt8] = []
    /// The bytes of ``output`` that `{% generation %}` marks.
    private(set) var generated: [Range<Int>] = []
    /// What the text captures are nested in; parts within captured text cannot be marked.
    private var captures = 0
    private var steps = 0
    private var depth = 0

    /// The templates of the largest models take some ten thousand steps for a conversation.
    private static let stepLimit = 2_000_000
    /// The longest text, in bytes, and the longest list.
    private static let sizeLimit = 1 << 24
    /// How deep statements, expressions and macros may be nested: each level takes stack.
    private static let depthLimit = 400
    /// How deep lists and dictionaries may be.
    private static let valueDepthLimit = 100

    /// How a list of statements ended.
    enum Flow { case next, breakLoop, continueLoop }

    /// Runs a template.
    func run(_ statements: [JinjaStatement], _ variables: [JinjaValue.Member]) throws(JinjaError) {
        let scope = JinjaScope(JinjaFunctions.globals)
        for variable in variables { scope.set(variable.name, variable.value) }
        let own = JinjaScope(parent: scope)
        // Macros hold the scope that holds them.
        defer { own.clear() }
        _ = try execute(statements, own)
    }

    /// Does a step of the work, within others.
    func step<Result>(_ body: () throws(JinjaError) -> Result) throws(JinjaError) -> Result {
        steps += 1
        depth += 1
        defer { depth -= 1 }
        guard steps < Self.stepLimit else { throw JinjaError("the template does not come to an end") }
        guard depth < Self.depthLimit else { throw JinjaError("the template is nested too deeply") }
        return try body()
    }

    /// Refuses what would take too much memory.
    static func checkSize(_ count: Int, times: Int = 1) throws(JinjaError) {
        let (size, overflow) = count.multipliedReportingOverflow(by: max(times, 1))
        guard !overflow, size <= sizeLimit else { throw JinjaError("a value is too long") }
    }

    /// A list or dictionary of some values, unless it is too deep, as a namespace in it could be without an end.
    static func checked(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        guard !value.isDeeper(than: valueDepthLimit) else { throw JinjaError("a value is nested too deeply") }
        guard !value.holdsNamespace else { throw JinjaError("a namespace can only be the value of a name") }
        return value
    }

    private func print(_ text: String) throws(JinjaError) {
        try Self.checkSize(output.count + text.utf8.count)
        output += text.utf8
    }

    /// What statements print, instead of printing it.
    private func captured(_ body: [JinjaStatement], _ scope: JinjaScope) throws(JinjaError) -> String {
        let outer = output
        output = []
        captures += 1
        defer {
            output = outer
            captures -= 1
        }
        _ = try execute(body, scope)
        return String(decoding: output, as: UTF8.self)
    }

    // MARK: Statements

    private func execute(_ statements: [JinjaStatement], _ scope: JinjaScope) throws(JinjaError) -> Flow {
        for statement in statements {
            let flow: Flow
            do throws(JinjaError) {
                flow = try step { () throws(JinjaError) in try execute(statement, scope) }
            } catch {
                throw error.on(statement.line)
            }
            if flow != .next { return flow }
        }
        return .next
    }

    private func execute(_ statement: JinjaStatement, _ scope: JinjaScope) throws(JinjaError) -> Flow {
        switch statement.kind {
        case .text(let text): try print(text)
        case .output(let expression): try print(try evaluate(expression, scope).text)
        case .conditional(let branches, let otherwise):
            for (condition, body) in branches where try evaluate(condition, scope).isTrue {
                return try execute(body, scope)
            }
            return try execute(otherwise, scope)
        case .loop(let loop): try execute(loop, scope)
        case .set(let target, let value): try assign(try evaluate(value, scope), to: target, scope)
        case .setBlock(let target, let body, let filters):
            let text = try captured(body, JinjaScope(parent: scope))
            try assign(try filtered(.string(text), filters, scope), to: target, scope)
        case .macro(let macro): scope.set(macro.name, .callable(callable(macro, scope)))
        case .callBlock(let call, let caller):
            let own = JinjaScope(parent: scope)
            try print(try evaluate(call, own, caller: .callable(callable(caller, scope))).text)
        case .filter(let filters, let body):
            let text = try captured(body, JinjaScope(parent: scope))
            try print(try filtered(.string(text), filters, scope).text)
        case .with(let values, let body):
            let own = JinjaScope(parent: scope)
            for (name, value) in values { own.set(name, try evaluate(value, scope)) }
            return try execute(body, own)
        case .generation(let body):
            let start = output.count
            let flow = try execute(body, scope)
            if captures == 0, output.count > start { generated.append(start..<output.count) }
            return flow
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .next
    }

    func filtered(
        _ value: JinjaValue, _ filters: [(name: String, arguments: JinjaArguments)], _ scope: JinjaScope
    ) throws(JinjaError) -> JinjaValue {
        var value = value
        for (name, arguments) in filters {
            value = try JinjaFilters.apply(self, value, try call("filter '\(name)'", arguments, scope), name)
        }
        return value
    }

    private func assign(_ value: JinjaValue, to target: JinjaTarget, _ scope: JinjaScope) throws(JinjaError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .names(let names):
            let elements = try JinjaRun.elements(of: value)
            guard elements.count == names.count else {
                throw JinjaError("\(elements.count) values for \(names.count) names")
            }
            for (name, element) in zip(names, elements) { scope.set(name, element) }
        case .member(let object, let name):
            guard case .namespace(let namespace)? = scope.value(object) else {
                throw JinjaError("'\(object)' is no namespace: its members cannot be set")
            }
            if case .namespace = value { throw JinjaError("a namespace can only be the value of a name") }
            namespace.members.removeAll { $0.name == name }
            namespace.members.append(.init(name, value))
        }
    }

    private func execute(_ loop: JinjaLoop, _ scope: JinjaScope) throws(JinjaError) {
        var items: [JinjaValue] = []
        for item in try Self.elements(of: try evaluate(loop.items, scope)) {
            if let condition = loop.condition {
                let own = JinjaScope(parent: scope)
                try assign(item, to: loop.target, own)
                guard try evaluate(condition, own).isTrue else { continue }
            }
            items.append(item)
        }
        if items.isEmpty {
            _ = try execute(loop.otherwise, JinjaScope(parent: scope))
            return
        }
        let state = JinjaLoopState(items)
        for index in items.indices {
            let own = JinjaScope(parent: scope)
            own.set("loop", state.value(at: index, depth: scope.loopDepth))
            own.loopDepth = scope.loopDepth + 1
            try assign(items[index], to: loop.target, own)
            let flow = try step { () throws(JinjaError) in try execute(loop.body, own) }
            if flow == .breakLoop { return }
        }
    }

    // MARK: Macros

    private func callable(_ macro: JinjaMacro, _ scope: JinjaScope) -> JinjaCallable {
        // Scopes are used by this run alone.
        nonisolated(unsafe) let scope = scope
        return JinjaCallable(macro.name) { run, call throws(JinjaError) in
            try run.call(macro, call, JinjaScope(parent: scope))
        }
    }

    private func call(_ macro: JinjaMacro, _ call: JinjaCall, _ scope: JinjaScope) throws(JinjaError)
        -> JinjaValue
    {
        guard call.positional.count <= macro.parameters.count else {
            throw JinjaError("macro '\(macro.name)' takes \(macro.parameters.count) arguments")
        }
        for member in call.named where member.name == "caller" { scope.set("caller", member.value) }
        for (place, parameter) in macro.parameters.enumerated() {
            if place < call.positional.count {
                scope.set(parameter.name, call.positional[place])
            } else if let member = call.named.last(where: { $0.name == parameter.name }) {
                scope.set(parameter.name, member.value)
            } else if let standard = parameter.standard {
                scope.set(parameter.name, try evaluate(standard, scope))
            } else {
                scope.set(parameter.name, .undefined(parameter.name))
            }
        }
        for member in call.named where member.name != "caller" {
            guard macro.parameters.contains(where: { $0.name == member.name }) else {
                throw JinjaError("macro '\(macro.name)' has no argument '\(member.name)'")
            }
        }
        return .string(try captured(macro.body, scope))
    }

    /// The arguments of a call.
    func call(
        _ name: String, _ arguments: JinjaArguments, _ scope: JinjaScope
    ) throws(JinjaError) -> JinjaCall {
        var call = JinjaCall(name: name)
        for argument in arguments.positional { call.positional.append(try evaluate(argument, scope)) }
        for argument in arguments.named {
            call.named.append(.init(argument.name, try evaluate(argument.value, scope)))
        }
        return call
    }

    /// What a loop goes through.
    static func elements(of value: JinjaValue) throws(JinjaError) -> [JinjaValue] {
        switch value {
        case .undefined: return []
        case .list(let elements): return elements
        case .dictionary(let members): return members.map(\.key)
        case .string(let text): return text.unicodeScalars.map { .string(String($0)) }
        default: throw JinjaError("a \(value.typeName) is nothing to go through")
        }
    }
}
