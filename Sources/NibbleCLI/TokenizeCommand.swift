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
            """
    )

    @Argument(help: "A .gguf file, or a hub folder; weights need not be there.")
    var model: String

    @Option(help: "The file or pipe with the text; standard input for - and where not given.")
    var text: String?

    @Flag(help: "Print ids alone.")
    var ids = false

    @Flag(help: "Read texts of control tokens, such as <end_of_turn>, as these tokens.")
    var parseSpecial = false

    @Flag(help: "Do not put tokens for the beginning and the end around the text.")
    var noSpecial = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        try Session.run { session in
            let tokenizer = try Tokenizer(path: model)
            session.warn(tokenizer.vocabulary.notes)
            let tokens = tokenizer.encode(
                try InputText.read(text), addingSpecial: !noSpecial, parsingSpecial: parseSpecial)
            try TokenReport(tokenizer, tokens).write(json ? .json : ids ? .ids : .lines)
        }
    }
}
