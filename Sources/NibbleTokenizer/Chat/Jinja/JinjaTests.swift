/// What `is` asks.
enum JinjaTests {
    static func holds(_ value: JinjaValue, _ call: JinjaCall, _ name: String) throws(JinjaError) -> Bool {
        switch name {
        case "defined": if case .undefined = value { false } else { true }
        case "undefined": if case .undefined = value { true } else { false }
        case "none": if case .none = value { true } else { false }
        case "boolean": if case .bool = value { true } else { false }
        case "true": if case .bool(true) = value { true } else { false }
        case "false": if case .bool(false) = value { true } else { false }
        case "integer": if case .integer = value { true } else { false }
        case "float": if case .float = value { true } else { false }
        case "number": value.number != nil
        case "string": if case .string = value { true } else { false }
        case "mapping": if case .dictionary = value { true } else { false }
        case "callable": if case .callable = value { true } else { false }
        case "sequence", "iterable":
            switch value {
            case .undefined, .string, .list, .dictionary: true
            default: false
            }
        case "odd": try integer(value, call) & 1 == 1
        case "even": try integer(value, call) & 1 == 0
        case "divisibleby":
            switch try integer(try call.argument(), call) {
            case 0: throw JinjaError("a division by zero")
            case -1: true
            case let divisor: try integer(value, call) % divisor == 0
            }
        case "lower": value.text == value.text.lowercased() && value.text != value.text.uppercased()
        case "upper": value.text == value.text.uppercased() && value.text != value.text.lowercased()
        case "eq", "equalto", "sameas": value.equals(try call.argument())
        case "ne": !value.equals(try call.argument())
        case "lt", "lessthan": try JinjaOperations.isLess(value, try call.argument())
        case "gt", "greaterthan": try JinjaOperations.isLess(try call.argument(), value)
        case "le": try JinjaOperations.compare(value, "<=", try call.argument())
        case "ge": try JinjaOperations.compare(value, ">=", try call.argument())
        case "in": try JinjaOperations.contains(try call.argument(), value)
        default: throw JinjaError("test '\(name)' is not known")
        }
    }

    private static func integer(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> Int {
        guard let integer = value.integer else {
            throw JinjaError("\(call.name) takes integers, not a \(value.typeName)")
        }
        return integer
    }
}
