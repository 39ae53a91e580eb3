internal import CLibrary
package import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// A folder that a calibration works in, held by one process at a time:
///
///     identity.json      what it is a calibration of
///     journal.jsonl      the steps that are done
///     streams, gradients activations of the model that is rounded to nearest, and their gradients
///     outputs            what the gradients by the outputs of matrices say
///     exact, rounded     the residual streams of the unquantized and of the rounded model
///     inputs.*           inputs of matrices in the rounded model
///     rows               the encoded matrices
///     lock               held while a process works
///
/// The process may be killed at any moment: the next goes on after the last step that is in the journal.
package final class CalibrationScratch {
    /// The folder.
    package let path: String
    let journal: CalibrationJournal
    private let lock: FolderLock

    private enum Name {
        static let identity = "identity.json"
        static let journal = "journal.jsonl"
        static let lock = "lock"
    }

    /// Makes the folder at `path`, or opens it where it was made for the same calibration.
    ///
    /// - Parameter identity: what the result depends on.
    /// - Throws: `CheckpointError`: `inconsistent` where the folder is of another calibration, naming what differs, or
    ///   holds something else; `invalidRequest` where a process works in it; `inputOutput` where it cannot be written.
    package init(path: String, identity: [JSONValue.Member]) throws(CheckpointError) {
        let path = FilePath.trimmingSlashes(path)
        if mkdir(path, 0o755) != 0, errno != EEXIST {
            throw .system("cannot create the folder", path: path)
        }
        guard FilePath.isFolder(path) else {
            throw CheckpointError(.inputOutput, path: path, "is no folder", advice: "choose another place")
        }
        let place = FilePath.join(path, Name.identity)
        let isBegun = FilePath.exists(place)
        let strangers = FilePath.names(in: path).filter { $0 != Name.lock && !$0.hasPrefix(".") }
        guard isBegun || strangers.isEmpty else {
            throw CheckpointError(
                .inconsistent, path: path,
                "is not empty and holds no calibration (\(strangers.sorted().prefix(3).joined(separator: ", ")))",
                advice: "choose another folder")
        }
        lock = try FolderLock(path: FilePath.join(path, Name.lock))
        if isBegun {
            let found = try JSONParser.parse(path: place)
            let different = identity.compactMap { $0.difference(from: found) }
            guard different.isEmpty else {
                throw CheckpointError(
                    .inconsistent, path: path, "was begun with " + different.joined(separator: " and "),
                    advice:
                        "go on with what it was begun with, or remove the folder to begin again, or name another"
                )
            }
        } else {
            let text = Array(JSONValue.object(identity).serialized().utf8)
            let writer = try CheckpointWriter(
                .file(path: place, header: text, size: text.count), replacing: true)
            try writer.commit(flush: true)
        }
        journal = try CalibrationJournal(path: FilePath.join(path, Name.journal))
        self.path = path
    }

    /// The path of one of its files.
    func file(_ name: String) -> String { FilePath.join(path, name) }

    /// Removes the folder, with all that a calibration puts there.
    package static func remove(_ path: String) {
        for name in FilePath.names(in: path) { unlink(FilePath.join(path, name)) }
        rmdir(path)
    }
}
