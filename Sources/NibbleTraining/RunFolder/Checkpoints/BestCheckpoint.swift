internal import NibbleCheckpoint

/// The checkpoint with the best held-out figure so far: `checkpoints/best.json`.
public struct BestCheckpoint: Sendable, Equatable {
    /// The step it was saved at.
    public var step: Int
    /// The figure; which one, and whether less is better, is the trainer's affair.
    public var value: Double
}

extension BestCheckpoint {
    /// Reads the marker at `path`; nil where there is none.
    init?(path: String) throws(CheckpointError) {
        guard FilePath.exists(path) else { return nil }
        let json = try JSONParser.parse(path: path)
        guard let step = json["step"]?.integer, step >= 0, let value = json["value"]?.real, value.isFinite
        else {
            throw CheckpointError(
                .malformed, path: path, "expected a step >= 0 and a finite value",
                advice: "remove the file; the next better checkpoint writes it again")
        }
        self.init(step: step, value: value)
    }

    /// The contents of the file.
    var json: String {
        JSONValue.members(["step": .integer(step), "value": .real(value)]).serialized()
    }
}
