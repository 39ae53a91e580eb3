/// Makes statements of the parts of a template (jinja2, parser.py).
struct JinjaParser {
    private var parts: ArraySlice<JinjaPart>
    /// The tag that is being read.
    var tokens: ArraySlice<JinjaToken> = []
    var line = 1
    /// How deep statements and expressions are nested.
    var depth = 0

    /// Nesting beyond this is an error: each level takes stack.
    static let depthLimit = 100

    /// Parses a template.
    static func statements(_ source: String) throws(JinjaError) -> [JinjaStatement] {
        var parser = JinjaParser(parts: try JinjaLexer.parts(source)[...])
        return try parser.statements(until: []).body
    }

    private init(parts: ArraySlice<JinjaPart>) { self.parts = parts }

    func failure(_ problem: String) -> JinjaError { JinjaError(line, problem) }

    /// Statements up to a tag that begins with one of `ends`, whose name is taken.
    private mutating func statements(
        until ends: [String]
    ) throws(JinjaError) -> (body: [JinjaStatement], end: String) {
        let start = line
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.depthLimit else { throw failure("statements are nested too deeply") }
        var body: [JinjaStatement] = []
        while let part = parts.popFirst() {
            line = part.line
            switch part.kind {
            case .text(let text): body.append(JinjaStatement(line: line, kind: .text(text)))
            case .output(let tokens):
                self.tokens = tokens[...]
                let statement = JinjaStatement(line: line, kind: .output(try expressionList()))
                try finishTag()
                body.append(statement)
            case .block(let tokens):
                self.tokens = tokens[...]
                guard case .name(let name)? = self.tokens.popFirst() else {
                    throw failure("a tag has to begin with the name of a statement")
                }
                if ends.contains(name) { return (body, name) }
                let place = line
                body.append(JinjaStatement(line: place, kind: try statement(name)))
            }
        }
        guard ends.isEmpty else {
            throw JinjaError(start, "'\(ends.joined(separator: "' or '"))' is missing")
        }
        return (body, "")
    }

    /// Statements up to `{% end %}`.
    private mutating func body(until end: String) throws(JinjaError) -> [JinjaStatement] {
        try finishTag()
        let body = try statements(until: [end]).body
        if case .name? = tokens.first, end == "endmacro" || end == "endcall" { tokens.removeFirst() }
        try finishTag()
        return body
    }

    private mutating func statement(_ name: String) throws(JinjaError) -> JinjaStatement.Kind {
        switch name {
        case "if": return try conditional()
        case "for": return try loop()
        case "set": return try set()
        case "macro":
            let name = try takeName()
            return .macro(
                JinjaMacro(name: name, parameters: try parameters(), body: try body(until: "endmacro")))
        case "call":
            let parameters = isNext("(") ? try parameters() : []
            let call = try expression()
            guard case .call = call.kind else { throw failure("'call' needs a call of a macro") }
            return .callBlock(
                call,
                caller: JinjaMacro(name: "caller", parameters: parameters, body: try body(until: "endcall")))
        case "filter":
            var filters = [try filterCall()]
            while take("|") { filters.append(try filterCall()) }
            return .filter(filters, try body(until: "endfilter"))
        case "with":
            var values: [(name: String, value: JinjaExpression)] = []
            while !tokens.isEmpty {
                if !values.isEmpty { try expect(",") }
                let name = try takeName()
                try expect("=")
                values.append((name, try expression()))
            }
            return .with(values, try body(until: "endwith"))
        case "generation": return .generation(try body(until: "endgeneration"))
        case "break":
            try finishTag()
            return .breakLoop
        case "continue":
            try finishTag()
            return .continueLoop
        default: throw failure("statement '\(name)' is not known")
        }
    }

    private mutating func conditional() throws(JinjaError) -> JinjaStatement.Kind {
        var branches: [(condition: JinjaExpression, body: [JinjaStatement])] = []
        while true {
            let condition = try expression()
            try finishTag()
            let (body, end) = try statements(until: ["elif", "else", "endif"])
            branches.append((condition, body))
            if end == "elif" { continue }
            try finishTag()
            guard end == "else" else { return .conditional(branches, otherwise: []) }
            let otherwise = try statements(until: ["endif"]).body
            try finishTag()
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func loop() throws(JinjaError) -> JinjaStatement.Kind {
        let target = try target()
        try expect(name: "in")
        let items = try expressionList(isLoop: true)
        let condition = take(name: "if") ? try expression() : nil
        if take(name: "recursive") { throw failure("recursive loops are not supported") }
        try finishTag()
        let (body, end) = try statements(until: ["else", "endfor"])
        var otherwise: [JinjaStatement] = []
        if end == "else" {
            try finishTag()
            otherwise = try statements(until: ["endfor"]).body
        }
        try finishTag()
        return .loop(
            JinjaLoop(target: target, items: items, condition: condition, body: body, otherwise: otherwise))
    }

    private mutating func set() throws(JinjaError) -> JinjaStatement.Kind {
        let target = try target()
        if take("=") {
            let value = try expressionList()
            try finishTag()
            return .set(target, value)
        }
        var filters: [(name: String, arguments: JinjaArguments)] = []
        while take("|") { filters.append(try filterCall()) }
        return .setBlock(target, try body(until: "endset"), filters: filters)
    }

    private mutating func target() throws(JinjaError) -> JinjaTarget {
        let isGrouped = take("(")
        var names = [try takeName()]
        if !isGrouped, take(".") { return .member(names[0], try takeName()) }
        var isList = false
        while take(",") {
            isList = true
            guard case .name(let name)? = tokens.first, name != "in" else { break }
            names.append(try takeName())
        }
        if isGrouped { try expect(")") }
        return isList ? .names(names) : .name(names[0])
    }

    private mutating func parameters() throws(JinjaError) -> [(name: String, standard: JinjaExpression?)] {
        var parameters: [(name: String, standard: JinjaExpression?)] = []
        try expect("(")
        while !take(")") {
            if !parameters.isEmpty { try expect(",") }
            let name = try takeName()
            parameters.append((name, take("=") ? try expression() : nil))
        }
        return parameters
    }

    // MARK: Tokens

    func isNext(_ symbol: String) -> Bool { tokens.first == .symbol(symbol) }

    mutating func take(_ symbol: String) -> Bool {
        guard isNext(symbol) else { return false }
        tokens.removeFirst()
        return true
    }

    mutating func take(name: String) -> Bool {
        guard tokens.first == .name(name) else { return false }
        tokens.removeFirst()
        return true
    }

    mutating func expect(_ symbol: String) throws(JinjaError) {
        guard take(symbol) else { throw failure("'\(symbol)' is missing\(found)") }
    }

    private mutating func expect(name: String) throws(JinjaError) {
        guard take(name: name) else { throw failure("'\(name)' is missing\(found)") }
    }

    mutating func takeName() throws(JinjaError) -> String {
        guard case .name(let name)? = tokens.first else { throw failure("a name is missing\(found)") }
        tokens.removeFirst()
        return name
    }

    private func finishTag() throws(JinjaError) {
        guard tokens.isEmpty else { throw failure("the end of the tag is missing\(found)") }
    }

    /// What stands there instead.
    var found: String {
        switch tokens.first {
        case nil: " at the end of the tag"
        case .name(let name): " before '\(name)'"
        case .string(let text): " before the string '\(text)'"
        case .integer(let value): " before \(value)"
        case .float(let value): " before \(value)"
        case .symbol(let symbol): " before '\(symbol)'"
        }
    }
}
