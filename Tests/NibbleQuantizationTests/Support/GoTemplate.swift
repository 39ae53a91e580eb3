import NibbleTokenizer

/// As much of Go's text/template as templates for Ollama use here: `if`, `else if`, `else`, `range .Messages`, `end`,
/// variables of true and false, `.System`, `.Role`, `.Content`, `eq`, `not`, and texts in quotes.
struct GoTemplate {
    private indirect enum Node {
        case text(String)
        case value(String)
        case assign(String, Bool)
        case branch([(condition: String, body: [Node])])
        case range([Node])
    }

    struct Fault: Error {
        var problem: String
    }

    private let nodes: [Node]

    init(_ source: String) throws {
        var tokens: [(isAction: Bool, text: String)] = []
        var rest = source[...]
        while let start = Self.find("{{", rest) {
            tokens.append((false, String(rest[..<start])))
            rest = rest[start...].dropFirst(2)
            // Texts in quotes may hold braces.
            var (text, isQuoted) = ("", false)
            while isQuoted || !rest.hasPrefix("}}") {
                guard let next = rest.popFirst() else { throw Fault(problem: "an action without end") }
                if next == "\"" { isQuoted.toggle() }
                text.append(next)
            }
            rest = rest.dropFirst(2)
            guard text.first == " ", text.last == " " else { throw Fault(problem: "trims: '\(text)'") }
            tokens.append((true, String(text.dropFirst().dropLast())))
        }
        tokens.append((false, String(rest)))
        var place = 0
        nodes = try Self.parse(tokens, &place)
        guard place == tokens.count else { throw Fault(problem: "an 'end' too many") }
    }

    private static func find(_ mark: String, _ text: Substring) -> Substring.Index? {
        text.indices.first { text[$0...].hasPrefix(mark) }
    }

    private static func parse(_ tokens: [(isAction: Bool, text: String)], _ place: inout Int) throws -> [Node]
    {
        var nodes: [Node] = []
        while place < tokens.count {
            let (isAction, text) = tokens[place]
            if isAction, text == "end" || text.hasPrefix("else") { return nodes }
            place += 1
            guard isAction else {
                nodes.append(.text(text))
                continue
            }
            if text.hasPrefix("if ") {
                var branches = [(condition: String(text.dropFirst(3)), body: try parse(tokens, &place))]
                while place < tokens.count, tokens[place].text != "end" {
                    let other = tokens[place].text
                    place += 1
                    let condition = other == "else" ? "true" : String(other.dropFirst("else if ".count))
                    branches.append((condition, try parse(tokens, &place)))
                }
                nodes.append(.branch(branches))
                place += 1
            } else if text == "range .Messages" {
                nodes.append(.range(try parse(tokens, &place)))
                place += 1
            } else if text.hasPrefix("$") {
                let parts = text.split(separator: " ")
                guard parts.count == 3, [":=", "="].contains(parts[1]), ["true", "false"].contains(parts[2])
                else {
                    throw Fault(problem: "'\(text)'")
                }
                nodes.append(.assign(String(parts[0]), parts[2] == "true"))
            } else {
                nodes.append(.value(text))
            }
        }
        return nodes
    }

    /// The text of a conversation, as Ollama calls templates: what the system says is apart, and among the messages too.
    func render(_ messages: [ChatMessage]) throws -> String {
        var variables: [String: Bool] = [:]
        let system = messages.filter { $0.role == "system" }.map(\.content).joined(separator: "\n\n")
        return try render(nodes, messages, system, nil, &variables)
    }

    private func render(
        _ nodes: [Node], _ messages: [ChatMessage], _ system: String, _ message: ChatMessage?,
        _ variables: inout [String: Bool]
    ) throws -> String {
        var result = ""
        for node in nodes {
            switch node {
            case .text(let text): result += text
            case .value(".System"): result += system
            case .value(".Content"): result += message?.content ?? ""
            case .value(let text) where text.hasPrefix("\"") && text.hasSuffix("\""):
                result += text.dropFirst().dropLast()
            case .value(let text): throw Fault(problem: "'\(text)'")
            case .assign(let name, let value): variables[name] = value
            case .range(let body):
                for message in messages {
                    result += try render(body, messages, system, message, &variables)
                }
            case .branch(let branches):
                for (condition, body) in branches where try holds(condition, system, message, variables) {
                    result += try render(body, messages, system, message, &variables)
                    break
                }
            }
        }
        return result
    }

    private func holds(
        _ condition: String, _ system: String, _ message: ChatMessage?, _ variables: [String: Bool]
    ) throws -> Bool {
        if condition == "true" { return true }
        if condition == ".System" { return !system.isEmpty }
        if condition.hasPrefix("not ") {
            return try !holds(String(condition.dropFirst(4)), system, message, variables)
        }
        if condition.hasPrefix("eq .Role \"") { return condition == "eq .Role \"\(message?.role ?? "")\"" }
        guard let value = variables[condition] else { throw Fault(problem: "'\(condition)'") }
        return value
    }
}
