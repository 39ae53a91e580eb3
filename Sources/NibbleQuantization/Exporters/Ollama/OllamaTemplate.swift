internal import NibbleCheckpoint
internal import NibbleTokenizer

/// A model's chat template in the language that Ollama has for templates, Go's.
///
/// Ollama does not run Jinja. The template is read off conversations that the model's own template renders: what stands
/// before the first user's text, between turns, after the last. Templates that write every turn alike come out the same for
/// any conversation; others, which look at what was said, have none.
struct OllamaTemplate {
    /// The template in Go's language.
    let text: String

    /// Texts that no template treats as special.
    private static let (system, user, answer, next) = ("nibbleS1", "nibbleU1", "nibbleA1", "nibbleU2")

    /// Nil where the model has no chat template, or one whose turns depend on what is said.
    init?(_ vocabulary: Vocabulary, path: String) {
        guard !vocabulary.chatTemplates.isEmpty, let tokenizer = try? Tokenizer(vocabulary, path: path),
            let format = try? ChatFormat(tokenizer, path: path)
        else { return nil }
        func rendered(_ messages: [ChatMessage], prompt: Bool = true) -> String? {
            try? format.render(messages, addingGenerationPrompt: prompt)
        }
        let turns: [ChatMessage] = [.user(Self.user), .assistant(Self.answer), .user(Self.next)]
        guard let one = rendered([turns[0]]), let first = Self.parts(one, at: [Self.user]),
            let three = rendered(turns),
            let all = Self.parts(three, at: [Self.user, Self.answer, Self.next]),
            // Answers and questions of other conversations stand in the same frame.
            all[0] == first[0], all[3] == first[1], all[1] == first[1]
        else { return nil }
        let (begin, toAnswer, toUser) = (all[0], all[1], all[2])
        let five = turns + [.assistant(Self.answer), .user(Self.next)]
        guard
            rendered(five) == begin + Self.user + toAnswer + Self.answer + toUser + Self.next + toAnswer
                + Self.answer + toUser + Self.next + toAnswer
        else { return nil }
        // Templates of reasoning models drop thoughts, which a frame does not.
        let thought = "<think>\n\(Self.user)\n</think>\n\n" + Self.answer
        let thoughtful = rendered([turns[0], .assistant(thought), turns[2]])
        guard thoughtful == begin + Self.user + toAnswer + thought + toUser + Self.next + toAnswer else {
            return nil
        }
        // A model that knows no instructions of the system refuses them.
        var head = Self.quoted(begin)
        if let text = rendered([.system(Self.system)] + turns),
            let own = Self.parts(text, at: [Self.system, Self.user, Self.answer, Self.next]),
            own[2] == toAnswer, own[3] == toUser
        {
            head =
                "{{ if .System }}\(Self.quoted(own[0])){{ .System }}\(Self.quoted(own[1])){{ else }}\(head){{ end }}"
        }
        text =
            head + "{{ $isFirst := true }}{{ $isOpen := true }}{{ range .Messages }}"
            + "{{ if eq .Role \"user\" }}{{ if not $isFirst }}\(Self.quoted(toUser)){{ end }}{{ .Content }}"
            + "{{ $isFirst = false }}{{ $isOpen = true }}"
            + "{{ else if eq .Role \"assistant\" }}\(Self.quoted(toAnswer)){{ .Content }}"
            + "{{ $isOpen = false }}{{ end }}{{ end }}"
            // A conversation that ends with an answer is one to be gone on with.
            + "{{ if $isOpen }}\(Self.quoted(toAnswer)){{ end }}"
    }

    /// The pieces of a text around marks, each of which is there once, in order; nil where they are not.
    private static func parts(_ text: String, at marks: [String]) -> [String]? {
        var (rest, parts) = (text[...], [String]())
        for mark in marks {
            guard let place = rest.firstRange(of: mark) else { return nil }
            parts.append(String(rest[..<place.lowerBound]))
            rest = rest[place.upperBound...]
        }
        guard !marks.contains(where: { rest.firstRange(of: $0) != nil }) else { return nil }
        return parts + [String(rest)]
    }

    /// Text as Go's templates write it unchanged.
    private static func quoted(_ text: String) -> String {
        var (result, rest) = ("", text[...])
        while let place = rest.firstRange(of: "{{") {
            result += rest[..<place.lowerBound] + "{{ \"{{\" }}"
            rest = rest[place.upperBound...]
        }
        return result + rest
    }
}
