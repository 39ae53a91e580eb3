// What expressions are worth.
extension JinjaRun {
    /// - Parameter caller: what `caller` is in the macro that the expression calls.
    func evaluate(
        _ expression: JinjaExpression, _ scope: JinjaScope, caller: JinjaValue? = nil
    ) throws(JinjaError) -> JinjaValue {
        do throws(JinjaError) {
            let result = try step { () throws(JinjaError) -> JinjaValue in
                try value(expression, scope, caller: caller)
            }
            switch result {
            case .string(let text): try Self.checkSize(text.utf8.count)
            case .list(let elements): try Self.checkSize(elements.count)
            default: break
            }
            return result
        } catch {
            throw error.on(expression.line)
        }
    }

    private func value(
        _ expression: JinjaExpression, _ scope: JinjaScope, caller: JinjaValue?
    ) throws(JinjaError) -> JinjaValue {
        switch expression.kind {
        case .literal(let value): return value
        case .name(let name): return scope.value(name) ?? .undefined(name)
        case .list(let elements):
            var values: [JinjaValue] = []
            for element in elements { values.append(try evaluate(element, scope)) }
            return try Self.checked(.list(values))
        case .dictionary(let members):
            var values: [JinjaValue.Member] = []
            for (key, value) in members {
                let key = try evaluate(key, scope)
                var member = JinjaValue.Member(key.text, try evaluate(value, scope))
                if case .integer = key { member.isInteger = true }
                values.removeAll { $0.name == member.name && $0.isInteger == member.isInteger }
                values.append(member)
            }
            return try Self.checked(.dictionary(values))
        case .attribute(let object, let name):
            let object = try evaluate(object, scope)
            if let method = try JinjaMethods.method(name, of: object) { return method }
            return try member(name, of: object)
        case .item(let object, let index):
            return try item(try evaluate(index, scope), of: try evaluate(object, scope))
        case .slice(let object, let first, let last, let step):
            return try JinjaOperations.slice(
                try evaluate(object, scope), try bound(first, scope), try bound(last, scope),
                try bound(step, scope))
        case .call(let function, let arguments):
            let callee = try evaluate(function, scope)
            guard case .callable(let callable) = callee else {
                if case .undefined(let name) = callee {
                    throw JinjaError("'\(name)' is undefined: it cannot be called")
                }
                throw JinjaError("a \(callee.typeName) cannot be called")
            }
            var call = try call("'\(callable.name)'", arguments, scope)
            if let caller { call.named.append(.init("caller", caller)) }
            return try callable.body(self, call)
        case .filter(let value, let name, let arguments):
            return try filtered(try evaluate(value, scope), [(name, arguments)], scope)
        case .test(let value, let name, let arguments):
            let value = try evaluate(value, scope)
            return .bool(try JinjaTests.holds(value, try call("test '\(name)'", arguments, scope), name))
        case .not(let value): return .bool(!(try evaluate(value, scope).isTrue))
        case .negative(let value): return try JinjaOperations.negative(try evaluate(value, scope))
        case .and(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? try evaluate(right, scope) : value
        case .or(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? value : try evaluate(right, scope)
        case .comparison(let first, let rest):
            var left = try evaluate(first, scope)
            for (symbol, operand) in rest {
                let right = try evaluate(operand, scope)
                guard try JinjaOperations.compare(left, symbol, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .arithmetic(let left, let symbol, let right):
            return try JinjaOperations.arithmetic(
                try evaluate(left, scope), symbol, try evaluate(right, scope))
        case .conditional(let value, let condition, let otherwise):
            if try evaluate(condition, scope).isTrue { return try evaluate(value, scope) }
            guard let otherwise else { return .undefined("") }
            return try evaluate(otherwise, scope)
        }
    }

    private func bound(_ expression: JinjaExpression?, _ scope: JinjaScope) throws(JinjaError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression, scope)
        if case .none = value { return nil }
        guard let bound = value.integer else {
            throw JinjaError("a bound is a \(value.typeName), no integer")
        }
        return bound
    }

    /// A member by its name; undefined where there is none.
    func member(_ name: String, of object: JinjaValue) throws(JinjaError) -> JinjaValue {
        if case .undefined(let own) = object {
            throw JinjaError("'\(own)' is undefined: it has no '\(name)'")
        }
        return object.member(name) ?? .undefined(name)
    }

    private func item(_ index: JinjaValue, of object: JinjaValue) throws(JinjaError) -> JinjaValue {
        /// A place counted from the end where it is negative.
        func element<Element>(_ elements: [Element]) -> Element? {
            guard let place = index.integer else { return nil }
            let counted = place < 0 ? place &+ elements.count : place
            return elements.indices.contains(counted) ? elements[counted] : nil
        }
        switch (object, index) {
        case (_, .string(let name)):
            if let member = object.member(name) { return member }
            if case .undefined = object { return try member(name, of: object) }
            return try JinjaMethods.method(name, of: object) ?? .undefined(name)
        case (.list(let elements), _): return element(elements) ?? .undefined(index.text)
        case (.string(let text), _):
            return element(Array(text.unicodeScalars)).map { .string(String($0)) } ?? .undefined(index.text)
        case (.dictionary(let members), .integer):
            return members.first { $0.key.equals(index) }?.value ?? .undefined(index.text)
        case (.undefined, _): return try member(index.text, of: object)
        default: return .undefined(index.text)
        }
    }
}
