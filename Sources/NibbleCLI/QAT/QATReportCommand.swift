internal import ArgumentParser
internal import Nibble

struct QATReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Writes how a run went as a page of HTML, also while it trains.",
        discussion: """
            EXAMPLES
              nibble qat report run                      # run/report.html, with JSON and Markdown beside it
              nibble qat report run -o gemma-qat.html --force
            """
    )

    @Argument(help: "The run folder.")
    var path: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "A file that ends in .html, or a folder for report.html; by default the run folder.",
            valueName: "path"))
    var output: String?

    @Flag(help: "Replace the report if it exists.")
    var force = false

    func run() throws {
        try Session.run { _ in
            let status = try RunStatus(path: path)
            let files = try ReportFiles(output ?? path, replacing: force)
            let report = RunStatusReport(status: status, path: path)
            try files.write(
                html: TrainingPage(status, path: path, facts: report.facts).html, json: report.json,
                markdown: report.text)
            try StandardOutput.print("report in \(files.page)")
        }
    }
}
