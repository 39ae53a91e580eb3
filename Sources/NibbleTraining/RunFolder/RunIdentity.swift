internal import NibbleCheckpoint

/// What a run is a run of: kept in `run.json`, compared when it is resumed.
public struct RunIdentity: Sendable, Equatable {
    /// Where the teacher, the unquantized checkpoint, lay. Not compared: it may have moved.
    public var teacherPath: String
    /// Digest of the teacher's bytes.
    public var teacherDigest: String
    /// Digest of the training text.
    public var textDigest: String
    /// Digest of the held-out text, which decides what is best and when training ends; nil where there is none.
    public var heldOutDigest: String?
    /// Digest of the resolved recipe.
    public var recipeDigest: String
    /// Optimizer steps of the whole run, as the recipe has it. Not compared by itself.
    public var totalSteps: Int
    /// Where the probabilities of a cached teacher were to be kept, where that is not the run folder. Not compared.
    public var teacherCachePath: String?
    /// Version of Nibble that began the run. Not compared.
    public var nibbleVersion: String
    /// When the run began, in ISO 8601. Not compared.
    public var created = UTCTime.now.iso8601
}

extension RunIdentity {
    /// Reads `run.json`.
    init(path: String) throws(CheckpointError) {
        let json = try JSONParser.parse(path: path)
        func text(_ name: String) throws(CheckpointError) -> String {
            guard let text = json[name]?.text else {
                throw CheckpointError(
                    .malformed, path: path, subject: "'\(name)'", "is missing or no string")
            }
            return text
        }
        guard let totalSteps = json["total_steps"]?.integer, totalSteps >= 0 else {
            throw CheckpointError(
                .malformed, path: path, subject: "'total_steps'", "is missing or no integer >= 0")
        }
        self.init(
            teacherPath: try text("teacher_path"), teacherDigest: try text("teacher_digest"),
            textDigest: try text("text_digest"),
            heldOutDigest: json["held_out_digest"] == nil ? nil : try text("held_out_digest"),
            recipeDigest: try text("recipe_digest"), totalSteps: totalSteps,
            teacherCachePath: json["teacher_cache_path"] == nil ? nil : try text("teacher_cache_path"),
            nibbleVersion: try text("nibble_version"), created: try text("created"))
    }

    /// The contents of `run.json`.
    var json: String {
        var members: [JSONValue.Member] = [
            .init("teacher_path", .string(teacherPath)),
            .init("teacher_digest", .string(teacherDigest)),
            .init("text_digest", .string(textDigest)),
        ]
        if let heldOutDigest { members.append(.init("held_out_digest", .string(heldOutDigest))) }
        members += [
            .init("recipe_digest", .string(recipeDigest)),
            .init("total_steps", .integer(totalSteps)),
        ]
        if let teacherCachePath { members.append(.init("teacher_cache_path", .string(teacherCachePath))) }
        members += [
            .init("nibble_version", .string(nibbleVersion)),
            .init("created", .string(created)),
        ]
        return JSONValue.object(members).serialized()
    }

    /// Checks that a run that is `self` can be gone on with as `asked`.
    func check(_ asked: RunIdentity, folder: String) throws(TrainingError) {
        let parts = [
            ("teacher", teacherDigest, asked.teacherDigest), ("text", textDigest, asked.textDigest),
            ("held-out text", heldOutDigest ?? "none", asked.heldOutDigest ?? "none"),
            ("recipe", recipeDigest, asked.recipeDigest),
        ]
        let different = parts.filter { $0.1 != $0.2 }
        guard !different.isEmpty else { return }
        let list = different.map { "another \($0.0) (digest \($0.1), now \($0.2))" }
        throw TrainingError(
            .mismatch, folder, "was begun with " + list.joined(separator: " and "),
            advice: "resume with what it was begun with, or begin in another folder")
    }
}
