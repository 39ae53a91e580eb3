/// Python's operators.
enum JinjaOperations {
    static func compare(
        _ left: JinjaValue, _ symbol: String, _ right: JinjaValue
    ) throws(JinjaError) -> Bool {
        switch symbol {
        case "==": return left.equals(right)
        case "!=": return !left.equals(right)
        case "in": return try contains(right, left)
        case "not in": return !(try contains(right, left))
        case "<": return try isLess(left, right)
        case ">": return try isLess(right, left)
        case "<=":
            let isGreater = try isLess(right, left)
            return !isGreater
        default:
            let isLess = try isLess(left, right)
            return !isLess
        }
    }

    /// Whether `element` is in `whole`: a part of a text, an element of a list, a name of a dictionary.
    static func contains(_ whole: JinjaValue, _ element: JinjaValue) throws(JinjaError) -> Bool {
        switch whole {
        case .string(let text):
            guard case .string(let part) = element else {
                throw JinjaError("a \(element.typeName) cannot be in a string")
            }
            return JinjaText.firstIndex(of: part, in: text) != nil
        case .dictionary, .namespace: return whole.member(element.text) != nil
        default: return try JinjaRun.elements(of: whole).contains { $0.equals(element) }
        }
    }

    static func isLess(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaError) -> Bool {
        if let left = left.number, let right = right.number { return left < right }
        switch (left, right) {
        case (.string(let left), .string(let right)):
            return left.unicodeScalars.lexicographicallyPrecedes(right.unicodeScalars)
        case (.list(let left), .list(let right)):
            for (left, right) in zip(left, right) where !left.equals(right) { return try isLess(left, right) }
            return left.count < right.count
        default:
            throw JinjaError("a \(left.typeName) cannot be compared with a \(right.typeName)")
        }
    }

    static func negative(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        if let integer = value.integer {
            let (negative, overflow) = 0.subtractingReportingOverflow(integer)
            guard !overflow else { throw JinjaError("a number is too large") }
            return .integer(negative)
        }
        guard let number = value.number else { throw JinjaError("a \(value.typeName) has no negative") }
        return .float(-number)
    }

    static func arithmetic(
        _ left: JinjaValue, _ symbol: String, _ right: JinjaValue
    ) throws(JinjaError) -> JinjaValue {
        switch (symbol, left, right) {
        case ("~", _, _): return .string(left.text + right.text)
        case ("+", .string(let left), .string(let right)): return .string(left + right)
        case ("+", .list(let left), .list(let right)): return .list(left + right)
        case ("*", .string(let text), _) where right.integer != nil:
            return .string(String(repeating: text, count: try times(right, text.utf8.count)))
        case ("*", .list(let elements), _) where right.integer != nil:
            let count = try times(right, elements.count)
            return .list((0..<count).flatMap { _ in elements })
        case ("%", .string, _): throw JinjaError("'%' with a string is not supported; use '~'")
        default: break
        }
        if let left = left.integer, let right = right.integer, symbol != "/" {
            return try arithmetic(integers: left, symbol, right)
        }
        guard let first = left.number, let second = right.number else {
            throw JinjaError("'\(symbol)' does not take a \(left.typeName) and a \(right.typeName)")
        }
        if ["/", "//", "%"].contains(symbol), second == 0 { throw JinjaError("a division by zero") }
        switch symbol {
        case "+": return .float(first + second)
        case "-": return .float(first - second)
        case "*": return .float(first * second)
        case "/": return .float(first / second)
        case "//": return .float((first / second).rounded(.down))
        case "%": return .float(first - (first / second).rounded(.down) * second)
        default: throw JinjaError("'**' takes integers only")
        }
    }

    private static func times(_ value: JinjaValue, _ size: Int) throws(JinjaError) -> Int {
        let count = max(0, value.integer ?? 0)
        try JinjaRun.checkSize(size, times: count)
        try JinjaRun.checkSize(count)
        return count
    }

    private static func arithmetic(
        integers left: Int, _ symbol: String, _ right: Int
    ) throws(JinjaError) -> JinjaValue {
        let (value, overflow): (Int, Bool)
        switch symbol {
        case "+": (value, overflow) = left.addingReportingOverflow(right)
        case "-": (value, overflow) = left.subtractingReportingOverflow(right)
        case "*": (value, overflow) = left.multipliedReportingOverflow(by: right)
        case "//", "%":
            guard right != 0 else { throw JinjaError("a division by zero") }
            guard right != -1 else { return symbol == "%" ? .integer(0) : try negative(.integer(left)) }
            // Python rounds quotients down, and remainders have the sign of the divisor.
            let (quotient, rest) = left.quotientAndRemainder(dividingBy: right)
            let isShifted = rest != 0 && (rest < 0) != (right < 0)
            (value, overflow) =
                symbol == "%"
                ? (isShifted ? rest + right : rest, false) : (isShifted ? quotient - 1 : quotient, false)
        default:
            guard right >= 0 else { throw JinjaError("'**' takes no negative power") }
            var (product, isTooLarge) = (1, false)
            for _ in 0..<min(right, 64) where !isTooLarge {
                (product, isTooLarge) = product.multipliedReportingOverflow(by: left)
            }
            guard right <= 64 || left.magnitude < 2 else { throw JinjaError("a number is too large") }
            if right > 64, left == -1 { product = right.isMultiple(of: 2) ? 1 : -1 }
            (value, overflow) = (product, isTooLarge)
        }
        guard !overflow else { throw JinjaError("a number is too large") }
        return .integer(value)
    }

    /// `value[first:last:step]`
    static func slice(
        _ value: JinjaValue, _ first: Int?, _ last: Int?, _ step: Int?
    ) throws(JinjaError) -> JinjaValue {
        let step = step ?? 1
        guard step != 0 else { throw JinjaError("the step of a slice is 0") }
        func indices(_ count: Int) -> [Int] {
            func bound(_ bound: Int?, _ standard: Int) -> Int {
                guard let bound else { return standard }
                let place = bound < 0 ? bound &+ count : bound
                return step > 0 ? min(max(place, 0), count) : min(max(place, -1), count - 1)
            }
            let start = bound(first, step > 0 ? 0 : count - 1)
            let end = bound(last, step > 0 ? count : -1)
            // A larger step leads out of the list as well.
            return Array(stride(from: start, to: end, by: max(-count - 1, min(step, count + 1))))
        }
        switch value {
        case .undefined: return .list([])
        case .list(let elements): return .list(indices(elements.count).map { elements[$0] })
        case .string(let text):
            let scalars = Array(text.unicodeScalars)
            var slice = String.UnicodeScalarView()
            for index in indices(scalars.count) { slice.append(scalars[index]) }
            return .string(String(slice))
        default: throw JinjaError("a \(value.typeName) cannot be sliced")
        }
    }
}
