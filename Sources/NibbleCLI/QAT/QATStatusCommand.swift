internal import ArgumentParser
internal import Foundation
internal import Nibble

struct QATStatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how far a run is, also while it trains.",
        discussion: """
            EXAMPLES
              nibble qat status run
              Loss, divergence, speed and time left, drawn anew every two seconds until the run ends:
                nibble qat status run --watch
            """
    )

    @Argument(help: "The run folder.")
    var path: String

    @Flag(help: "Look again and again until the run ends.")
    var watch = false

    @Option(help: ArgumentHelp("Seconds between two looks with --watch.", valueName: "n"))
    var every = 2.0

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        if watch && json { throw ValidationError("--watch and --json exclude each other") }
        guard (0.1...3600).contains(every) else {
            throw ValidationError("--every is \(every), expected 0.1 to 3600")
        }
    }

    func run() throws {
        try Session.run { session in
            if watch { return try look(session) }
            let report = RunStatusReport(status: try RunStatus(path: path), path: path)
            try StandardOutput.print(json ? report.json : report.text)
        }
    }

    /// Draws the status in place on a terminal, and one below the other elsewhere, until no process trains.
    private func look(_ session: Session) throws {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        var height = 0
        while true {
            let status = try RunStatus(path: path)
            let text = RunStatusReport(status: status, path: path).watch
            if isTerminal, height > 0 { try StandardOutput.write(Array("\u{1B}[\(height)A\u{1B}[J".utf8)) }
            height = text.count { $0 == "\n" } + 1
            try StandardOutput.print(text)
            guard status.isRunning else { return }
            let next = ContinuousClock.now + .seconds(every)
            while ContinuousClock.now < next {
                try session.endIfInterrupted()
                usleep(50_000)
            }
        }
    }
}
