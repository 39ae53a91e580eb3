internal import ArgumentParser
internal import Nibble

struct QATStatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how far a run is, also while it trains."
    )

    @Argument(help: "The run folder.")
    var path: String

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        try Session.run { _ in
            let report = RunStatusReport(status: try RunStatus(path: path), path: path)
            try StandardOutput.print(json ? report.json : report.text)
        }
    }
}
