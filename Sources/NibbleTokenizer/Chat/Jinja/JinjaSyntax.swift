/// Something to evaluate, and where it is.
struct JinjaExpression: Sendable {
    var line: Int
    var kind: Kind

    indirect enum Kind: Sendable {
        case literal(JinjaValue)
        case name(String)
        case list([JinjaExpression])
        case dictionary([(key: JinjaExpression, value: JinjaExpression)])
        /// `object.name`
        case attribute(JinjaExpression, String)
        /// `object[index]`
        case item(JinjaExpression, JinjaExpression)
        /// `object[first:last:step]`
        case slice(JinjaExpression, JinjaExpression?, JinjaExpression?, JinjaExpression?)
        case call(JinjaExpression, JinjaArguments)
        /// `value | name(arguments)`; without a value the block of a `filter` statement.
        case filter(JinjaExpression, String, JinjaArguments)
        /// `value is name(arguments)`
        case test(JinjaExpression, String, JinjaArguments)
        case not(JinjaExpression)
        case negative(JinjaExpression)
        case and(JinjaExpression, JinjaExpression)
        case or(JinjaExpression, JinjaExpression)
        /// `first < second <= third`
        case comparison(JinjaExpression, [(symbol: String, operand: JinjaExpression)])
        case arithmetic(JinjaExpression, String, JinjaExpression)
        /// `yes if condition else no`
        case conditional(JinjaExpression, condition: JinjaExpression, otherwise: JinjaExpression?)
    }
}

/// What a call gives along.
struct JinjaArguments: Sendable {
    var positional: [JinjaExpression] = []
    var named: [(name: String, value: JinjaExpression)] = []
}

/// What a statement sets.
enum JinjaTarget: Sendable {
    case name(String)
    /// `first, second`
    case names([String])
    /// A member of a namespace.
    case member(String, String)
}

/// A part of a parsed template.
struct JinjaStatement: Sendable {
    var line: Int
    var kind: Kind

    indirect enum Kind: Sendable {
        case text(String)
        case output(JinjaExpression)
        case conditional([(condition: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
        case loop(JinjaLoop)
        case set(JinjaTarget, JinjaExpression)
        /// `{% set name %}...{% endset %}`
        case setBlock(JinjaTarget, [JinjaStatement], filters: [(name: String, arguments: JinjaArguments)])
        case macro(JinjaMacro)
        /// `{% call(arguments) macro() %}...{% endcall %}`
        case callBlock(JinjaExpression, caller: JinjaMacro)
        case filter([(name: String, arguments: JinjaArguments)], [JinjaStatement])
        case with([(name: String, value: JinjaExpression)], [JinjaStatement])
        /// What the model is to write: transformers' `{% generation %}`.
        case generation([JinjaStatement])
        case breakLoop
        case continueLoop
    }
}

/// `{% for target in items if condition %}`
struct JinjaLoop: Sendable {
    var target: JinjaTarget
    var items: JinjaExpression
    var condition: JinjaExpression?
    var body: [JinjaStatement]
    var otherwise: [JinjaStatement]
}

/// `{% macro name(parameters) %}`
struct JinjaMacro: Sendable {
    var name: String
    var parameters: [(name: String, standard: JinjaExpression?)]
    var body: [JinjaStatement]
}
