internal import ArgumentParser

/// Which files are pulled or pushed, and how many at a time.
struct HubTransferOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Only files whose path matches; may be repeated: '*.gguf'.", valueName: "pattern"))
    var include: [String] = []

    @Option(help: ArgumentHelp("Leave out files whose path matches; may be repeated.", valueName: "pattern"))
    var exclude: [String] = []

    @Option(help: ArgumentHelp("Files that are moved at the same time.", valueName: "n"))
    var jobs: Int = 4

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs is \(jobs), expected 1 to 64") }
    }
}
