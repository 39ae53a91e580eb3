internal import Nibble
internal import NibbleHub

/// Checkpoints that are named by their repository on a hub.
enum HubInput {
    /// The path of a checkpoint: itself, or where the files of `hf:OWNER/NAME` are after they were pulled.
    static func path(_ name: String, _ session: Session, isQuiet: Bool = false) throws -> String {
        guard HubRepository.isName(name) else { return name }
        let pull = HubPull(try HubRepository(name), try HubSettings(environment: Session.environment))
        return try run(pull, session, isQuiet: isQuiet).path
    }

    /// Pulls, and shows how far that is.
    static func run(_ pull: HubPull, _ session: Session, isQuiet: Bool) throws -> HubPull.Result {
        let progress = ProgressLine(isQuiet: isQuiet)
        let start = ContinuousClock.now
        let result = try pull.run(
            progress: { state in
                let elapsed = start.duration(to: .now)
                progress.update(elapsed: elapsed, line(state, elapsed / .seconds(1)))
            },
            isCancelled: { session.isInterrupted })
        progress.finish()
        if result.bytesReceived > 0 {
            let seconds = start.duration(to: .now) / .seconds(1)
            progress.note(
                "\(pull.repository): \(result.files.count) files, \(Text.bytes(result.bytes)), of which "
                    + "\(Text.bytes(result.bytesReceived)) came in \(Text.time(seconds)), "
                    + "\(Text.bytes(Int(Double(result.bytesReceived) / max(seconds, 0.001))))/s")
        }
        return result
    }

    private static func line(_ progress: HubPull.Progress, _ seconds: Double) -> String {
        let received = progress.bytesDone - progress.bytesBefore
        let rate = seconds > 0 ? Double(max(received, 0)) / seconds : 0
        let left = rate > 0 ? Double(progress.bytesTotal - progress.bytesDone) / rate : 0
        let share = 100 * progress.bytesDone / max(progress.bytesTotal, 1)
        return "\(share) %  \(Text.bytes(progress.bytesDone)) of \(Text.bytes(progress.bytesTotal))  "
            + "\(Text.bytes(Int(rate)))/s  \(Text.time(left)) left  \(progress.file)"
    }
}
