package import NibbleCheckpoint

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
    /// Whether a file of JSON lines holds conversations: its first line has messages, in one of the forms of ``read(_:)``.
    package static func areHeld(in file: MappedFile) throws(TextError) -> Bool {
        guard file.count > 0 else { return false }
        var lines = JSONLines(file)
        let first = try lines.next()?.value
        return first?["messages"]?.elements != nil || first?["conversations"]?.elements != nil
    }

    /// The conversations of a `.jsonl` file and their lines: `{"messages": [{"role": "user", "content": "..."}, ...]}`, or
    /// ShareGPT's `{"conversations": [{"from": "human", "value": "..."}, ...]}`.
    ///
    /// - Throws: ``TextError`` with the line that is neither.
    package static func read(
        _ file: MappedFile
    ) throws(TextError) -> [(line: Int, conversation: Conversation)] {
        var all: [(line: Int, conversation: Conversation)] = []
        var lines = JSONLines(file)
        while let (value, line) = try lines.next() {
            all.append((line, try Conversation(value, path: file.path, line: line)))
        }
        return all
    }

    /// The same of a path.
    public static func read(_ path: String) throws -> [(line: Int, conversation: Conversation)] {
        try read(try MappedFile(text: path))
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
    func replacing(_ place: Int, by content: String) -> Conversation {
        guard case .dictionary(var members) = messages[place] else { return self }
        for index in members.indices where members[index].name == "content" {
            members[index].value = .string(content)
        }
        var changed = self
        changed.messages[place] = .dictionary(members)
        return changed
    }
}
