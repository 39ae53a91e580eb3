internal import ArgumentParser
internal import Foundation
internal import Nibble

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continues a text, or answers a message.",
        discussion: """
            The text goes to standard output as it is made, the speed to standard error. The same seed gives the same \
            text. Texts of control tokens in the prompt, such as <end_of_turn>, count as these tokens.

            EXAMPLES
              nibble generate gemma.q4_0.gguf "The capital of France is" --tokens 32 --temperature 0
              nibble generate smollm2.q4_0.gguf "Why is the sky blue?" --chat --seed 7
            """
    )

    @Argument(help: "A hub folder, or a .gguf file (the first part, if split).")
    var model: String

    @Argument(help: "The text to continue; - reads it from standard input.")
    var prompt: String

    @Flag(help: "Take the text as a message of a user: Gemma, Llama 3 and ChatML formats.")
    var chat = false

    @Option(help: ArgumentHelp("Instructions that come before the message, with --chat.", valueName: "text"))
    var system: String?

    @Option(
        name: .customLong("tokens"), help: ArgumentHelp("Generate this many tokens at most.", valueName: "n"))
    var limit = 256

    @Option(help: "Higher is more surprising; 0 takes the most probable token each time.")
    var temperature: Float = 1

    @Option(help: ArgumentHelp("Draw from the k most probable tokens; 0 for all.", valueName: "k"))
    var topK = 64

    @Option(
        help: ArgumentHelp(
            "Draw from the most probable tokens that together reach this probability.", valueName: "p"))
    var topP: Float = 0.95

    @Option(
        help: ArgumentHelp(
            "Where the random numbers start; by default another one each time.", valueName: "seed"))
    var seed: UInt64?

    @OptionGroup var threads: ThreadOptions

    @Option(help: ArgumentHelp("How products are computed: f32, bf16 or auto.", valueName: "precision"))
    var precision = Precision.automatic

    @Flag(name: .shortAndLong, help: "Print the text alone.")
    var quiet = false

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--tokens is \(limit), expected 1 or more") }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature is \(temperature), expected 0 or more")
        }
        guard topK >= 0 else { throw ValidationError("--top-k is \(topK), expected 0 or more") }
        guard topP > 0, topP <= 1 else { throw ValidationError("--top-p is \(topP), expected above 0, to 1") }
        if system != nil, !chat { throw ValidationError("--system goes with --chat") }
    }

    func run() throws {
        try Session.run { session in
            let generator = try TextGenerator(
                path: model, threads: threads.count(session), precision: precision, level: session.kernels)
            session.warn(generator.notes)
            let options = SamplingOptions(
                temperature: temperature, topK: topK, topP: topP,
                seed: seed ?? UInt64.random(in: 0...UInt64(UInt32.max)))
            let text = prompt == "-" ? try InputText.line() : prompt
            let tokens = try generator.tokens(prompt: text, system: system, isChat: chat, date: .now)
            let result = try generator.generate(
                tokens, limit: limit, options: options,
                output: { bytes throws(CheckpointError) in try StandardOutput.write(bytes) },
                isCancelled: { session.isInterrupted })
            try StandardOutput.print("")
            if !quiet { ProgressLine(isQuiet: false).note(GenerationReport(result, options).text) }
            try session.endIfInterrupted()
        }
    }
}
