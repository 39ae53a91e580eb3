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
        let progress = HubProgressLine(isQuiet: isQuiet)
        let result = try pull.run(
            progress: { progress.update($0) }, isCancelled: { session.isInterrupted })
        progress.finish()
        if result.bytesReceived > 0 {
            let seconds = progress.seconds
            progress.note(
                "\(pull.repository): \(result.files.count) files, \(Text.bytes(result.bytes)), of which "
                    + "\(Text.bytes(result.bytesReceived)) came in \(Text.time(seconds)), "
                    + "\(Text.bytes(Int(Double(result.bytesReceived) / max(seconds, 0.001))))/s")
        }
        return result
    }
}
