internal import NibbleCheckpoint

/// What was said in turn, as a line of a file of conversations holds it.
public struct Conversation: Sendable {
    /// Each an object of `role` and `content` at least.
    package var messages: [JinjaValue]
    /// What the template may read besides: the line's other members, as `tools`.
    package var variables: [JinjaValue.Member] = []

    /// Of messages that are known.
    public init(_ messages: [ChatMessage]) {
        self.messages = messages.map {
            .dictionary([.init("role", .string($0.role)), .init("content", .string($0.content))])
        }
    }
}

extension Conversation {
    /// Whether a `.jsonl` file holds conversations: its first line has messages, in one of the forms of
    /// ``read(_:)``.
    package static func areHeld(in path: String) throws -> Bool {
        guard JSONLines.isNamed(path) else { return false }
        var isHeld: Bool?
        try JSONLines.forEach(in: try MappedFile(text: path)) { value, _ throws(TextError) in
            isHeld = isHeld ?? (value["messages"]?.elements != nil || value["conversations"]?.elements != nil)
        }
        return isHeld ?? false
    }

    /// The conversations of a `.jsonl` file and their lines: `{"messages": [{"role": "user", "content": "..."}, ...]}`, or
    /// ShareGPT's `{"conversations": [{"from": "human", "value": "..."}, ...]}`.
    ///
    /// - Throws: ``TextError`` with the line that is neither.
    public static func read(_ path: String) throws -> [(line: Int, conversation: Conversation)] {
        var all: [(line: Int, conversation: Conversation)] = []
        try JSONLines.forEach(in: try MappedFile(text: path)) { value, line throws(TextError) in
            all.append((line, try Conversation(value, path: path, line: line)))
        }
        return all
    }

    private init(_ value: JSONValue, path: String, line: Int) throws(TextError) {
        messages = []
        let names =
            value["messages"] != nil ? ("messages", "role", "content") : ("conversations", "from", "value")
        guard let turns = value[names.0]?.elements, !turns.isEmpty else {
            throw TextError(
                path, line: line, "has no list 'messages' of turns",
                advice:
                    "write {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, ...]} in every line")
        }
        for (place, turn) in turns.enumerated() {
            guard let members = turn.members, let role = turn[names.1]?.text else {
                throw TextError(path, line: line, "turn \(place + 1) has no '\(names.1)'")
            }
            guard turn[names.2] != nil || turn["tool_calls"] != nil else {
                throw TextError(path, line: line, "turn \(place + 1) has no '\(names.2)'")
            }
            var message = members.filter { $0.name != names.1 && $0.name != names.2 }
            message.insert(.init("role", .string(Self.roles[role] ?? role)), at: 0)
            if let content = turn[names.2] { message.insert(.init("content", content), at: 1) }
            messages.append(JinjaValue(.object(message)))
        }
        for member in value.members ?? [] where member.name != names.0 {
            variables.append(.init(member.name, JinjaValue(member.value)))
        }
    }

    /// ShareGPT's names of roles.
    private static let roles = [
        "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    ]

    /// The places of the model's answers: texts that are not empty.
    var answers: [Int] {
        messages.indices.filter { place in
            guard case .string("assistant")? = messages[place].member("role"),
                case .string(let text)? = messages[place].member("content")
            else { return false }
            return !JinjaText.stripped(text).isEmpty
        }
    }

    /// The same with other words at `place`.
    func replacing(_ place: Int, by content: String) -> [JinjaValue] {
        var messages = messages
        if case .dictionary(var members) = messages[place] {
            for index in members.indices where members[index].name == "content" {
                members[index].value = .string(content)
            }
            messages[place] = .dictionary(members)
        }
        return messages
    }
}
