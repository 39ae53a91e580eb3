internal import ArgumentParser

/// How many threads a command uses.
struct ThreadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Threads; by default one for each processor.", valueName: "n"))
    var threads: Int?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads), expected 1 to 1024")
        }
    }

    /// Those asked for, or one for each processor.
    func count(_ session: Session) -> Int { threads ?? session.processorCount }
}
