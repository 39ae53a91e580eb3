internal import Foundation
internal import Nibble
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

    func update(_ progress: ConversionProgress) {
        guard !isQuiet else { return }
        let seconds = progress.elapsed / .seconds(1)
        let rate = seconds > 0 ? Double(progress.bytesDone) / seconds : 0
        let left = rate > 0 ? Double(progress.bytesTotal - progress.bytesDone) / rate : 0
        let share = 100 * progress.bytesDone / max(progress.bytesTotal, 1)
        let line =
            "\(share) %  \(Text.bytes(progress.bytesDone)) of \(Text.bytes(progress.bytesTotal))  "
            + "\(Text.bytes(Int(rate)))/s  \(Text.time(left)) left  \(progress.tensor)"
        if isTerminal {
            write("\r\u{1B}[K" + line)
        } else if lastLine.withLock({ last in
            guard progress.elapsed - last >= .seconds(5) else { return false }
            last = progress.elapsed
            return true
        }) {
            write(line + "\n")
        }
    }

    /// Clears the line.
    func finish() {
        if !isQuiet, isTerminal { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
