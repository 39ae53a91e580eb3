package import Foundation

/// Runs the `nibble` binary that was built beside the tests.
package enum CommandLineTool {
    /// What a run printed and how it ended.
    package struct Result: Sendable {
        package var output: String
        package var errors: String
        package var status: Int32
    }

    /// The path of the binary.
    package static let path: String = {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appendingPathComponent("nibble").path
    }()

    /// A process that has not been started.
    package static func process(_ arguments: [String], environment: [String: String] = [:]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        return process
    }

    /// Runs to the end.
    package static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
        try run(process(arguments, environment: environment))
    }

    /// Runs a line of the shell with `arguments` as `$1`, `$2` and so on; `$NIBBLE` is the binary.
    package static func shell(_ line: String, _ arguments: [String] = []) throws -> Result {
        let process = process(["-c", line, "bash"] + arguments, environment: ["NIBBLE": path])
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        return try run(process)
    }

    private static func run(_ process: Process) throws -> Result {
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Standard error stays below a pipe's 64 kB, so reading one after the other cannot block.
        let outputData = output.fileHandleForReading.readDataToEndOfFile()
        let errorData = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(
            output: String(decoding: outputData, as: UTF8.self),
            errors: String(decoding: errorData, as: UTF8.self),
            status: process.terminationStatus)
    }
}
