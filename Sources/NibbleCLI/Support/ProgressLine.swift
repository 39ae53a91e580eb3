internal import Foundation
internal import Synchronization

/// Progress on standard error: one line that is rewritten on a terminal, a line every few seconds otherwise,
/// nothing where quiet.
final class ProgressLine: Sendable {
    private let isQuiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let lastLine = Mutex<Duration>(.zero)

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// A line that stays.
    func note(_ text: String) {
        if !isQuiet { write(text + "\n") }
    }

    /// Shows how far the work is, `elapsed` after its start; `line` is made only where it is shown.
    func update(elapsed: Duration, _ line: @autoclosure () -> String) {
        guard !isQuiet else { return }
        if isTerminal {
            write("\r\u{1B}[K" + line())
        } else if lastLine.withLock({ last in
            guard elapsed - last >= .seconds(5) else { return false }
            last = elapsed
            return true
        }) {
            write(line() + "\n")
        }
    }

    /// Clears the line.
    func finish() {
        if !isQuiet, isTerminal { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) { StandardError.write(text) }
}
