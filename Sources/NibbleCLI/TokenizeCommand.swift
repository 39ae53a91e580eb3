internal import ArgumentParser
internal import Nibble

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Shows the tokens of a text.",
        discussion: """
            Tokens are those of llama.cpp. The text is taken byte for byte from standard input or a file; it need \
            not be valid UTF-8. Prints the id and the text of one token a line, in which control characters, \
            backslashes and invalid bytes are written as \\n and \\x0A.

            EXAMPLES
              echo -n 'Hello world' | nibble tokenize gemma.q4_0.gguf
              nibble tokenize gemma-3-270m --text book.txt --ids > book.tokens
              What `compare` scores of conversations, as the chat template writes them:
                nibble tokenize smollm2.gguf --text chats.jsonl --chat
            """
    )

    @Argument(help: "A .gguf file, or a hub folder; weights need not be there.")
    var model: String

    @Option(help: "The file or pipe with the text; standard input for - and where not given.")
    var text: String?

    @Flag(
        help: """
            The text is a .jsonl file of conversations ({"messages": [{"role": "user", "content": "..."}, ...]}), written by \
            the chat template; tokens of answers are marked.
            """)
    var chat = false

    @Flag(help: "Print ids alone.")
    var ids = false

    @Flag(help: "Read texts of control tokens, such as <end_of_turn>, as these tokens.")
    var parseSpecial = false

    @Flag(help: "Do not put tokens for the beginning and the end around the text.")
    var noSpecial = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        guard chat else { return }
        if text == nil || text == "-" { throw ValidationError("--chat needs --text FILE.jsonl") }
        if noSpecial || parseSpecial {
            throw ValidationError("--chat reads special tokens as the template has them")
        }
    }

    func run() throws {
        try Session.run { session in
            let tokenizer = try Tokenizer(path: model)
            session.warn(tokenizer.vocabulary.notes)
            let format: TokenReport.Format = json ? .json : ids ? .ids : .lines
            if chat, let text {
                try ConversationTokensReport(tokenizer, path: model, conversations: text).write(format)
                return
            }
            let tokens = tokenizer.encode(
                try InputText.read(text), addingSpecial: !noSpecial, parsingSpecial: parseSpecial)
            try TokenReport(tokenizer, tokens).write(format)
        }
    }
}
