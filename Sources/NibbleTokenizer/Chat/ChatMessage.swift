/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
    /// `system`, `user`, `assistant`, or another role that the model knows.
    public var role: String
    /// What was said.
    public var content: String

    /// Creates a message.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    /// An instruction that holds for the whole conversation.
    public static func system(_ content: String) -> ChatMessage { .init(role: "system", content: content) }
    /// What the user says.
    public static func user(_ content: String) -> ChatMessage { .init(role: "user", content: content) }
    /// What the model says.
    public static func assistant(_ content: String) -> ChatMessage {
        .init(role: "assistant", content: content)
    }
}
