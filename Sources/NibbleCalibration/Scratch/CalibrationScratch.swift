internal import CLibrary
package import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// A folder that a calibration works in, held by one process at a time:
///
///     identity.json      what it is a calibration of
///     journal.jsonl      the steps that are done
///     streams, gradients activations of the unquantized model, and their gradients
///     outputs            what the gradients by the outputs of matrices say
///     states             what is known of the final states
///     exact, rounded     the residual streams of the unquantized and of the rounded model; what is of a second
///                        rounded model ends in .1, and so on
///     inputs.*           inputs of matrices in the rounded model
///     nearest            residual streams of held-out text in the model that is rounded to nearest
///     rows               the encoded matrices
///     lock               held while a process works
///
/// The process may be killed at any moment: the next goes on after the last step that is in the journal.
package final class CalibrationScratch {
    /// The folder.
    package let path: String
    let journal: CalibrationJournal
    private let lock: FolderLock

    /// Names in the folder.
    enum Name: String, CaseIterable {
        case identity = "identity.json"
        case journal = "journal.jsonl"
        case streams, gradients, outputs, states, exact, rounded, nearest, rows, lock
        case attentionInputs = "inputs.attention"
        case feedForwardInputs = "inputs.feedForward"

        /// Inputs of the last matrix of a sublayer.
        static func inputs(of sublayer: Sublayer) -> Name {
            switch sublayer {
            case .attention: .attentionInputs
            case .feedForward: .feedForwardInputs
            }
        }
    }

    /// Makes the folder at `path`, or opens it where it was made for the same calibration.
    ///
    /// - Parameter identity: what the result depends on.
    /// - Throws: `CheckpointError`: `inconsistent` where the folder is of another calibration, naming what differs, or
    ///   holds something else; `invalidRequest` where a process works in it; `inputOutput` where it cannot be written.
    package init(path: String, identity: [JSONValue.Member]) throws(CheckpointError) {
        let path = FilePath.trimmingSlashes(path)
        try FilePath.makeFolder(path)
        let place = FilePath.join(path, Name.identity.rawValue)
        let isBegun = FilePath.exists(place)
        let strangers = FilePath.names(in: path).filter { $0 != Name.lock.rawValue && !$0.hasPrefix(".") }
        guard isBegun || strangers.isEmpty else {
            throw CheckpointError(
                .inconsistent, path: path,
                "is not empty and holds no calibration (\(strangers.sorted().prefix(3).joined(separator: ", ")))",
                advice: "choose another folder")
        }
        lock = try FolderLock(path: FilePath.join(path, Name.lock.rawValue))
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
            try CheckpointWriter.write(JSONValue.object(identity).serialized(), to: place)
        }
        journal = try CalibrationJournal(path: FilePath.join(path, Name.journal.rawValue))
        self.path = path
    }

    /// The path of one of its files.
    ///
    /// - Parameter variant: of which of the quantized models.
    func file(_ name: Name, of variant: Int = 0) -> String {
        FilePath.join(path, variant == 0 ? name.rawValue : "\(name.rawValue).\(variant)")
    }

    /// Removes what a calibration puts into the folder, and the folder where nothing else is in it.
    ///
    /// Killed within, it leaves a folder that the same calibration can begin in: the journal goes before what it speaks
    /// of, and what the folder is of goes last.
    package static func remove(_ path: String) {
        let last: [Name] = [.identity, .lock]
        let others = Name.allCases.filter { $0 != .journal && !last.contains($0) }
        let names = FilePath.names(in: path)
        for name in [.journal] + others + last {
            // Those of further quantized models have a number behind it.
            let own = names.filter {
                $0.hasPrefix(name.rawValue + ".") && Int($0.dropFirst(name.rawValue.count + 1)) != nil
            }
            for name in [name.rawValue] + own { unlink(FilePath.join(path, name)) }
        }
        rmdir(path)
    }
}
