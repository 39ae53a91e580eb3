internal import Nibble
internal import NibbleHub

/// Shows how far a pull or a push is.
struct HubProgressLine: Sendable {
    private let line: ProgressLine
    private let start = ContinuousClock.now

    init(isQuiet: Bool) { line = ProgressLine(isQuiet: isQuiet) }

    /// Seconds since it began.
    var seconds: Double { start.duration(to: .now) / .seconds(1) }

    func update(_ progress: HubProgress) {
        let elapsed = start.duration(to: .now)
        line.update(elapsed: elapsed, Self.text(progress, elapsed / .seconds(1)))
    }

    func finish() { line.finish() }

    func note(_ text: String) { line.note(text) }

    private static func text(_ progress: HubProgress, _ seconds: Double) -> String {
        let rate = seconds > 0 ? Double(max(progress.bytesMoved, 0)) / seconds : 0
        let left = rate > 0 ? Double(progress.bytesTotal - progress.bytesDone) / rate : 0
        let share = 100 * progress.bytesDone / max(progress.bytesTotal, 1)
        return "\(share) %  \(Text.bytes(progress.bytesDone)) of \(Text.bytes(progress.bytesTotal))  "
            + "\(Text.bytes(Int(rate)))/s  \(Text.time(left)) left  \(progress.file)"
    }
}
