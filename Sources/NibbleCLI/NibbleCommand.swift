internal import ArgumentParser
internal import Foundation
internal import Nibble

@main
struct NibbleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nibble",
        abstract: "Turns language-model checkpoints into 4-bit ones that lose as little as possible.",
        discussion: """
            Reads hub folders (config.json and safetensors, plain or in the codes of MLX and compressed-tensors), GGUF \
            files and gemma.cpp's .sbs of Gemma 3, Llama, Qwen 2 and Qwen 3, larger than memory if need be; hf:OWNER/NAME is \
            a repository on Hugging Face. Results go to standard output, progress to standard error.

            The instruction level of the kernels is chosen at run time; NIBBLE_KERNELS=scalar, avx2 or avx512 \
            overrides it. All levels give the same bytes.
            """,
        version: NibbleVersion.current,
        subcommands: [
            ConvertCommand.self, QATCommand.self, PullCommand.self, PushCommand.self, ImatrixCommand.self,
            InspectCommand.self, PlanCommand.self, PerplexityCommand.self, CompareCommand.self,
            CardCommand.self, GenerateCommand.self, TokenizeCommand.self,
        ]
    )

    /// Runs the command that the arguments name.
    static func main() {
        StandardStreams.prepare()
        do {
            var command = try parseAsRoot()
            if var other = command as? any TakesCheckpoints {
                try other.pullCheckpoints()
                command = other
            }
            try command.run()
        } catch {
            guard exitCode(for: error) == .success else { exit(withError: error) }
            // Help and version: results like any other, which a full disk must not swallow.
            exit(
                withError: Session.report { () throws(CheckpointError) in
                    try StandardOutput.print(fullMessage(for: error))
                })
        }
    }
}
