internal import ArgumentParser
internal import Nibble

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Shows what a checkpoint holds.",
        discussion: """
            EXAMPLES
              nibble inspect gemma.q4_0.gguf
              nibble inspect gemma-3-270m --tensors
              nibble inspect gemma.q4_0.gguf --metadata --json
            """
    )

    @Argument(help: "A hub folder, a .safetensors file or index, or a .gguf file of any architecture.")
    var path: String

    @Flag(help: "List the tensors.")
    var tensors = false

    @Flag(help: "List the metadata of a GGUF file.")
    var metadata = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        try Session.run { _ in
            let report = InspectionReport(
                try CheckpointInspection(path: path), showsTensors: tensors, showsMetadata: metadata)
            try StandardOutput.print(json ? report.json() : report.text())
        }
    }
}
