/// What `|` does.
enum JinjaFilters {
    static func apply(
        _ run: JinjaRun, _ value: JinjaValue, _ call: JinjaCall, _ name: String
    ) throws(JinjaError) -> JinjaValue {
        if let text = try text(value, call, name) { return .string(text) }
        if let number = try number(value, call, name) { return number }
        if let list = try list(run, value, call, name) { return list }
        switch name {
        case "default", "d":
            let values = try call.arguments("default_value", "boolean")
            let isReplaced: Bool
            if case .undefined = value {
                isReplaced = true
            } else {
                isReplaced = values[1]?.isTrue ?? false && !value.isTrue
            }
            return isReplaced ? values[0] ?? .string("") : value
        case "attr":
            let name = try call.argument().text
            if let method = try JinjaMethods.method(name, of: value) { return method }
            return try run.member(name, of: value)
        case "items":
            if case .undefined = value { return .list([]) }
            return .list(try members(value, call).map { .list([$0.key, $0.value]) })
        case "dictsort":
            let sorted = try members(value, call).sorted { first, second in
                if let first = first.key.integer, let second = second.key.integer { return first < second }
                return first.name.lowercased().unicodeScalars.lexicographicallyPrecedes(
                    second.name.lowercased().unicodeScalars)
            }
            return .list(sorted.map { .list([$0.key, $0.value]) })
        default: throw JinjaError("\(call.name) is not known")
        }
    }

    // MARK: To text

    private static func text(_ value: JinjaValue, _ call: JinjaCall, _ name: String) throws(JinjaError)
        -> String?
    {
        switch name {
        case "trim": JinjaText.stripped(value.text, try call.arguments("chars")[0]?.text)
        case "lower": value.text.lowercased()
        case "upper": value.text.uppercased()
        case "capitalize": JinjaText.capitalized(value.text)
        case "title": JinjaText.titled(value.text)
        case "string", "safe": value.text
        case "escape", "e", "forceescape": JinjaText.escaped(value.text)
        case "tojson": try json(value, call)
        case "replace": try replaced(value, call)
        case "indent": try indented(value, call)
        case "join": try joined(value, call)
        default: nil
        }
    }

    private static func json(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> String {
        let values = try call.arguments("indent", "ensure_ascii", "separators", "sort_keys")
        var style = JinjaJSON()
        style.indent = values[0]?.integer.map { min(max($0, 0), 64) }
        style.isASCII = values[1]?.isTrue ?? false
        style.isSorted = values[3]?.isTrue ?? false
        if style.indent != nil { style.separators.between = "," }
        if case .list(let both)? = values[2], both.count == 2 {
            style.separators = (both[0].text, both[1].text)
        }
        return try style.text(value)
    }

    private static func replaced(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> String {
        let values = try call.arguments("old", "new", "count")
        guard let old = values[0], let new = values[1] else {
            throw JinjaError("\(call.name) takes two arguments")
        }
        return try JinjaText.replaced(value.text, old.text, by: new.text, limit: values[2]?.integer ?? -1)
    }

    private static func indented(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> String {
        let values = try call.arguments("width", "first", "blank")
        let indent: String
        if case .string(let text)? = values[0] {
            indent = text
        } else {
            let width = values[0]?.integer ?? 4
            guard (0...1000).contains(width) else { throw JinjaError("\(call.name): a width of \(width)") }
            indent = String(repeating: " ", count: width)
        }
        return try JinjaText.indented(
            value.text, indent, first: values[1]?.isTrue ?? false, blank: values[2]?.isTrue ?? false)
    }

    private static func joined(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> String {
        let values = try call.arguments("d", "attribute")
        let elements = try JinjaRun.elements(of: value).map { element in
            values[1].map { element.member($0.text) ?? .undefined($0.text) } ?? element
        }
        return try JinjaText.joined(elements, values[0]?.text ?? "")
    }

    // MARK: To numbers

    private static func number(
        _ value: JinjaValue, _ call: JinjaCall, _ name: String
    ) throws(JinjaError) -> JinjaValue? {
        switch name {
        case "length", "count":
            switch value {
            case .string(let text): return .integer(text.unicodeScalars.count)
            default: return .integer(try JinjaRun.elements(of: value).count)
            }
        case "int":
            let standard = try call.arguments("default", "base")[0] ?? .integer(0)
            if let integer = value.integer { return .integer(integer) }
            let text = JinjaText.stripped(value.text)
            if let integer = Int(text) { return .integer(integer) }
            guard let number = value.number ?? Double(text), abs(number) < 9e18 else { return standard }
            return .integer(Int(number))
        case "float":
            let standard = try call.arguments("default")[0] ?? .float(0)
            return (value.number ?? Double(JinjaText.stripped(value.text))).map(JinjaValue.float) ?? standard
        case "abs":
            if let integer = value.integer {
                return integer < 0 ? try JinjaOperations.negative(value) : .integer(integer)
            }
            guard let number = value.number else { throw JinjaError("\(call.name) takes numbers") }
            return .float(abs(number))
        case "round":
            let values = try call.arguments("precision", "method")
            guard let number = value.number else { throw JinjaError("\(call.name) takes numbers") }
            var factor = 1.0
            for _ in 0..<min(max(values[0]?.integer ?? 0, 0), 15) { factor *= 10 }
            let rule: FloatingPointRoundingRule =
                switch values[1]?.text {
                case "ceil": .up
                case "floor": .down
                default: .toNearestOrEven
                }
            return .float((number * factor).rounded(rule) / factor)
        case "sum":
            let attribute = try call.arguments("attribute")[0]?.text
            var sum = JinjaValue.integer(0)
            for element in try JinjaRun.elements(of: value) {
                let term =
                    try attribute.map { name throws(JinjaError) in try member(name, of: element) } ?? element
                sum = try JinjaOperations.arithmetic(sum, "+", term)
            }
            return sum
        default: return nil
        }
    }

    // MARK: Lists

    private static func list(
        _ run: JinjaRun, _ value: JinjaValue, _ call: JinjaCall, _ name: String
    ) throws(JinjaError) -> JinjaValue? {
        switch name {
        case "list": return .list(try JinjaRun.elements(of: value))
        case "first": return try JinjaRun.elements(of: value).first ?? .undefined("first")
        case "last": return try JinjaRun.elements(of: value).last ?? .undefined("last")
        case "reverse":
            let elements = Array(try JinjaRun.elements(of: value).reversed())
            if case .string = value { return .string(elements.map(\.text).joined()) }
            return .list(elements)
        case "min", "max":
            var found: JinjaValue?
            for element in try JinjaRun.elements(of: value) {
                guard let best = found else {
                    found = element
                    continue
                }
                let isBetter =
                    name == "min"
                    ? try JinjaOperations.isLess(element, best) : try JinjaOperations.isLess(best, element)
                if isBetter { found = element }
            }
            return found ?? .undefined(name)
        case "unique":
            var unique: [JinjaValue] = []
            let elements = try JinjaRun.elements(of: value)
            try JinjaRun.checkSize(elements.count, times: elements.count)
            for element in elements
            where !unique.contains(where: { $0.equals(element) }) {
                unique.append(element)
            }
            return .list(unique)
        case "sort": return try sorted(value, call)
        case "map": return .list(try mapped(run, value, call))
        case "select", "reject", "selectattr", "rejectattr": return .list(try selected(value, call, name))
        default: return nil
        }
    }

    private static func sorted(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
        let values = try call.arguments("reverse", "case_sensitive", "attribute")
        var keyed: [(key: JinjaValue, element: JinjaValue)] = []
        for element in try JinjaRun.elements(of: value) {
            var key = element
            if let name = values[2]?.text { key = try member(name, of: element) }
            if case .string(let text) = key, !(values[1]?.isTrue ?? false) {
                key = .string(text.lowercased())
            }
            keyed.append((key, element))
        }
        let isReversed = values[0]?.isTrue ?? false
        var failure: JinjaError?
        let sorted = keyed.enumerated().sorted { first, second in
            do throws(JinjaError) {
                let (left, right) = isReversed ? (second, first) : (first, second)
                if try JinjaOperations.isLess(left.element.key, right.element.key) { return true }
                return try !JinjaOperations.isLess(right.element.key, left.element.key)
                    && first.offset < second.offset
            } catch {
                failure = failure ?? error
                return first.offset < second.offset
            }
        }
        if let failure { throw failure }
        return .list(sorted.map(\.element.element))
    }

    private static func mapped(
        _ run: JinjaRun, _ value: JinjaValue, _ call: JinjaCall
    ) throws(JinjaError) -> [JinjaValue] {
        let attribute = call.named.first { $0.name == "attribute" }?.value.text
        let standard = call.named.first { $0.name == "default" }?.value
        var mapped: [JinjaValue] = []
        guard value.isTrue else { return [] }
        for element in try JinjaRun.elements(of: value) {
            if let attribute {
                let found = try member(attribute, of: element)
                if case .undefined = found { mapped.append(standard ?? found) } else { mapped.append(found) }
            } else {
                guard let name = call.positional.first?.text else {
                    throw JinjaError("\(call.name) needs a filter")
                }
                let inner = JinjaCall(
                    name: "filter '\(name)'", positional: Array(call.positional.dropFirst()),
                    named: call.named)
                mapped.append(try apply(run, element, inner, name))
            }
        }
        return mapped
    }

    private static func selected(
        _ value: JinjaValue, _ call: JinjaCall, _ name: String
    ) throws(JinjaError) -> [JinjaValue] {
        let isByAttribute = name.hasSuffix("attr")
        var arguments = call.positional[...]
        var attribute: String?
        if isByAttribute {
            guard let first = arguments.popFirst() else {
                throw JinjaError("\(call.name) needs an attribute")
            }
            attribute = first.text
        }
        let test = arguments.popFirst()?.text
        let inner = JinjaCall(name: "test '\(test ?? "")'", positional: Array(arguments))
        var selected: [JinjaValue] = []
        guard value.isTrue else { return [] }
        for element in try JinjaRun.elements(of: value) {
            var subject = element
            if let attribute { subject = try member(attribute, of: element) }
            let holds =
                try test.map { name throws(JinjaError) in try JinjaTests.holds(subject, inner, name) }
                ?? subject.isTrue
            if holds != name.hasPrefix("reject") { selected.append(element) }
        }
        return selected
    }

    /// A member by a path of names and places: `function.name`, `0`.
    private static func member(_ path: String, of value: JinjaValue) throws(JinjaError) -> JinjaValue {
        var value = value
        for name in path.split(separator: ".") {
            if case .list(let elements) = value, let place = Int(name) {
                value = elements.indices.contains(place) ? elements[place] : .undefined(path)
            } else {
                value = value.member(String(name)) ?? .undefined(path)
            }
        }
        return value
    }

    private static func members(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> [JinjaValue
        .Member]
    {
        switch value {
        case .dictionary(let members): return members
        case .namespace(let namespace): return namespace.members
        default: throw JinjaError("\(call.name) takes a dictionary, not a \(value.typeName)")
        }
    }
}
