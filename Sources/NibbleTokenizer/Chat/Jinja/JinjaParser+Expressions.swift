// Expressions, from those that bind least to those that bind most.
extension JinjaParser {
    /// An expression, or several that commas make a list.
    ///
    /// - Parameter isLoop: whether `if` ends it, which in a loop begins the condition.
    mutating func expressionList(isLoop: Bool = false) throws(JinjaError) -> JinjaExpression {
        let first = isLoop ? try disjunction() : try expression()
        guard isNext(",") else { return first }
        var elements = [first]
        while take(",") {
            if tokens.isEmpty { break }
            elements.append(isLoop ? try disjunction() : try expression())
        }
        return make(.list(elements))
    }

    /// An expression with its condition.
    mutating func expression() throws(JinjaError) -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.depthLimit else { throw failure("expressions are nested too deeply") }
        var value = try disjunction()
        while take(name: "if") {
            let condition = try disjunction()
            let otherwise = take(name: "else") ? try expression() : nil
            value = make(.conditional(value, condition: condition, otherwise: otherwise))
        }
        return value
    }

    private func make(_ kind: JinjaExpression.Kind) -> JinjaExpression {
        JinjaExpression(line: line, kind: kind)
    }

    private mutating func disjunction() throws(JinjaError) -> JinjaExpression {
        var left = try conjunction()
        while take(name: "or") { left = make(.or(left, try conjunction())) }
        return left
    }

    private mutating func conjunction() throws(JinjaError) -> JinjaExpression {
        var left = try negation()
        while take(name: "and") { left = make(.and(left, try negation())) }
        return left
    }

    private mutating func negation() throws(JinjaError) -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.depthLimit else { throw failure("expressions are nested too deeply") }
        return take(name: "not") ? make(.not(try negation())) : try comparison()
    }

    private mutating func comparison() throws(JinjaError) -> JinjaExpression {
        let first = try sum()
        var rest: [(symbol: String, operand: JinjaExpression)] = []
        while true {
            if let symbol = ["==", "!=", "<=", ">=", "<", ">"].first(where: isNext) {
                tokens.removeFirst()
                rest.append((symbol, try sum()))
            } else if take(name: "in") {
                rest.append(("in", try sum()))
            } else if tokens.first == .name("not"), tokens.dropFirst().first == .name("in") {
                tokens.removeFirst(2)
                rest.append(("not in", try sum()))
            } else {
                return rest.isEmpty ? first : make(.comparison(first, rest))
            }
        }
    }

    private mutating func sum() throws(JinjaError) -> JinjaExpression {
        var left = try concatenation()
        while let symbol = ["+", "-"].first(where: isNext) {
            tokens.removeFirst()
            left = make(.arithmetic(left, symbol, try concatenation()))
        }
        return left
    }

    private mutating func concatenation() throws(JinjaError) -> JinjaExpression {
        var left = try product()
        while take("~") { left = make(.arithmetic(left, "~", try product())) }
        return left
    }

    private mutating func product() throws(JinjaError) -> JinjaExpression {
        var left = try power()
        while let symbol = ["*", "/", "//", "%"].first(where: isNext) {
            tokens.removeFirst()
            left = make(.arithmetic(left, symbol, try power()))
        }
        return left
    }

    private mutating func power() throws(JinjaError) -> JinjaExpression {
        var left = try unary(isFiltered: true)
        while take("**") { left = make(.arithmetic(left, "**", try unary(isFiltered: true))) }
        return left
    }

    private mutating func unary(isFiltered: Bool) throws(JinjaError) -> JinjaExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.depthLimit else { throw failure("expressions are nested too deeply") }
        var value: JinjaExpression
        if take("-") {
            value = make(.negative(try unary(isFiltered: false)))
        } else if take("+") {
            value = try unary(isFiltered: false)
        } else {
            value = try primary()
        }
        value = try postfix(value)
        return isFiltered ? try filtered(value) : value
    }

    private mutating func primary() throws(JinjaError) -> JinjaExpression {
        guard let token = tokens.popFirst() else { throw failure("a value is missing at the end of the tag") }
        switch token {
        case .integer(let value): return make(.literal(.integer(value)))
        case .float(let value): return make(.literal(.float(value)))
        case .string(var text):
            // Strings side by side are one, as in Python.
            while case .string(let more)? = tokens.first {
                text += more
                tokens.removeFirst()
            }
            return make(.literal(.string(text)))
        case .name(let name):
            switch name {
            case "true", "True": return make(.literal(.bool(true)))
            case "false", "False": return make(.literal(.bool(false)))
            case "none", "None": return make(.literal(.none))
            default: return make(.name(name))
            }
        case .symbol("("):
            if take(")") { return make(.list([])) }
            let first = try expression()
            guard isNext(",") else {
                try expect(")")
                return first
            }
            return make(.list([first] + (try elements(after: ",", until: ")"))))
        case .symbol("["): return make(.list(try elements(after: nil, until: "]")))
        case .symbol("{"): return try dictionary()
        case .symbol(let symbol): throw failure("a value is missing before '\(symbol)'")
        }
    }

    private mutating func elements(after separator: String?, until end: String) throws(JinjaError)
        -> [JinjaExpression]
    {
        var elements: [JinjaExpression] = []
        var needsComma = separator != nil
        while !take(end) {
            if needsComma { try expect(",") }
            if take(end) { break }
            elements.append(try expression())
            needsComma = true
        }
        return elements
    }

    private mutating func dictionary() throws(JinjaError) -> JinjaExpression {
        var members: [(key: JinjaExpression, value: JinjaExpression)] = []
        while !take("}") {
            if !members.isEmpty { try expect(",") }
            if take("}") { break }
            let key = try expression()
            try expect(":")
            members.append((key, try expression()))
        }
        return make(.dictionary(members))
    }

    private mutating func postfix(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        var value = value
        while true {
            if take(".") {
                if case .integer(let index)? = tokens.first {
                    tokens.removeFirst()
                    value = make(.item(value, make(.literal(.integer(index)))))
                } else {
                    value = make(.attribute(value, try takeName()))
                }
            } else if take("[") {
                value = try subscripted(value)
            } else if isNext("(") {
                value = make(.call(value, try arguments()))
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        var bounds: [JinjaExpression?] = [nil]
        while !take("]") {
            if take(":") {
                bounds.append(nil)
            } else {
                guard bounds[bounds.count - 1] == nil else { throw failure("']' is missing\(found)") }
                bounds[bounds.count - 1] = try expression()
            }
        }
        guard bounds.count > 1 else {
            guard let index = bounds[0] else { throw failure("an index is missing") }
            return make(.item(value, index))
        }
        guard bounds.count <= 3 else { throw failure("a slice has three bounds at most") }
        return make(.slice(value, bounds[0], bounds[1], bounds.count > 2 ? bounds[2] : nil))
    }

    private mutating func arguments() throws(JinjaError) -> JinjaArguments {
        var arguments = JinjaArguments()
        try expect("(")
        var isFirst = true
        while !take(")") {
            if !isFirst { try expect(",") }
            isFirst = false
            if take(")") { break }
            if isNext("*") || isNext("**") { throw failure("arguments with '*' are not supported") }
            if case .name(let name)? = tokens.first, tokens.dropFirst().first == .symbol("=") {
                tokens.removeFirst(2)
                arguments.named.append((name, try expression()))
            } else {
                guard arguments.named.isEmpty else { throw failure("an argument follows named ones") }
                arguments.positional.append(try expression())
            }
        }
        return arguments
    }

    // MARK: Filters and tests

    private mutating func filtered(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        var value = value
        while true {
            if take("|") {
                let (name, arguments) = try filterCall()
                value = make(.filter(value, name, arguments))
            } else if take(name: "is") {
                value = try tested(value)
            } else if isNext("(") {
                value = make(.call(value, try arguments()))
            } else {
                return value
            }
        }
    }

    /// A filter after its bar.
    mutating func filterCall() throws(JinjaError) -> (name: String, arguments: JinjaArguments) {
        (try takeName(), isNext("(") ? try arguments() : JinjaArguments())
    }

    private mutating func tested(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
        let isNegated = take(name: "not")
        let name = try takeName()
        var arguments = JinjaArguments()
        if isNext("(") {
            arguments = try self.arguments()
        } else if beginsArgument {
            arguments.positional = [try postfix(try primary())]
        }
        let test = make(.test(value, name, arguments))
        return isNegated ? make(.not(test)) : test
    }

    /// Whether the argument of a test follows without parentheses: `is divisibleby 3`.
    private var beginsArgument: Bool {
        switch tokens.first {
        case .name(let name): !["else", "or", "and", "is", "if", "in", "not"].contains(name)
        case .string, .integer, .float: true
        case .symbol(let symbol): ["[", "{"].contains(symbol)
        case nil: false
        }
    }
}
