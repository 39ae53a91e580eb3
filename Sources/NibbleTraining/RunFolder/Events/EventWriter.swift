internal import CLibrary
internal import NibbleCheckpoint
internal import SwiftProtobuf

/// Writes figures for TensorBoard: an event file beside the other files of a run.
///
/// Each process begins a file of its own, and TensorBoard reads all files of a folder in the order of their
/// names as one series. A killed process may have written steps after its last checkpoint; a new file says
/// at its beginning that a session starts at the step that comes next, at which TensorBoard forgets what
/// it read of that step and later ones.
///
/// A file is a sequence of records: length (8 bytes), its masked CRC-32C (4), an `Event` message, its masked
/// CRC-32C (4), all little-endian (TensorFlow, `lib/io/record_writer.h`).
final class EventWriter {
    private var file: AppendedFile

    /// The file that is written.
    let path: String

    static let prefix = "events.out.tfevents."

    /// Begins a file in `folder`.
    ///
    /// - Parameter step: that of the state which the run goes on from; nil where nothing was saved.
    /// - Throws: `CheckpointError` (`inputOutput`) where the file cannot be written.
    init(folder: String, resumingAt step: Int?, at time: UTCTime = .now) throws(CheckpointError) {
        if let step { precondition(step >= 0, "step \(step), expected 0 or more") }
        // Names decide the order in which files are read: also after a clock that was set back, and within a
        // second, a new one sorts last.
        let last = FilePath.names(in: folder).compactMap(Self.seconds).max()
        let seconds = max(time.seconds, last.map { $0 + 1 } ?? 0)
        path = FilePath.join(
            folder, "\(Self.prefix)\(Decimals.padded(seconds, to: 10)).\(Self.hostName).\(getpid())")
        file = try AppendedFile(path: path, isNew: true)
        var version = Tensorboard_Event()
        version.wallTime = time.interval
        version.fileVersion = "brain.Event:2"
        try append(version)
        var start = Tensorboard_Event()
        start.wallTime = time.interval
        // Where nothing was saved, what was measured before the first step is measured again.
        start.step = step.map { Int64($0 + 1) } ?? 0
        start.sessionLog.status = .start
        try append(start)
    }

    /// Appends figures of a step, as single precision; tags with a slash (`loss/train`) are grouped by what is
    /// before it. NaN and infinity are shown as such.
    ///
    /// - Throws: `CheckpointError` (`inputOutput`) where the disk refuses; no half of the record stays.
    func append(
        step: Int, _ values: KeyValuePairs<String, Double>, at time: UTCTime = .now
    ) throws(CheckpointError) {
        precondition(step >= 0, "step \(step), expected 0 or more")
        var event = Tensorboard_Event()
        event.wallTime = time.interval
        event.step = Int64(step)
        event.summary.value = values.map { name, figure in
            var value = Tensorboard_Summary.Value()
            value.tag = name
            value.simpleValue = Float(figure)
            return value
        }
        try append(event)
    }

    private func append(_ event: Tensorboard_Event) throws(CheckpointError) {
        let message: [UInt8]
        do {
            message = try event.serializedBytes()
        } catch {
            throw CheckpointError(.invalidRequest, path: path, "the event cannot be encoded: \(error)")
        }
        try file.append(Self.record(message))
    }

    /// `message` with its length and checksums.
    static func record(_ message: [UInt8]) -> [UInt8] {
        let length = littleEndian(UInt64(message.count))
        return length + littleEndian(CRC32C.masked(length)) + message
            + littleEndian(CRC32C.masked(message))
    }

    private static func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// When a file began, as its name has it; nil for other files.
    private static func seconds(_ name: String) -> Int? {
        guard name.hasPrefix(prefix) else { return nil }
        return Int(name.dropFirst(prefix.count).prefix { $0 != "." })
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        // The last byte stays 0 where a longer name is cut.
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return FilePath.isPlainName(text) ? text : "localhost"
    }
}
