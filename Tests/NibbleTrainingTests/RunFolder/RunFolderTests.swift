import Foundation
import NibbleCalibration
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Run folders")
struct RunFolderTests {
    private func error(_ body: () throws -> Void) throws -> TrainingError {
        try #require(throws: TrainingError.self) { try body() }
    }

    @Test("are made with recipe and identity, and opened again")
    func createAndOpen() throws {
        let folder = try TemporaryFolder()
        do {
            let run = try RunSample.create(folder.file("run/"))
            #expect(run.path == folder.file("run"))
            #expect(
                try String(decoding: contents(run.path + "/recipe.yaml"), as: UTF8.self)
                    == "train:\n  steps: 200\n")
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.file("run")).sorted() == [
                "checkpoints", "lock", "recipe.yaml", "run.json",
            ])
        let run = try RunFolder.open(path: folder.file("run"), expecting: RunSample.identity)
        #expect(run.identity == RunSample.identity)
        #expect(run.savedSteps == [])
        #expect(try RunSample.latest(run).checkpoint == nil)
    }

    @Test(
        "go on where fields of their recipe were called otherwise when they were begun, and no other recipe")
    func renamedFields() throws {
        let folder = try TemporaryFolder()
        let old = "start:\n  importance_sequences: 7\n"
        var identity = RunSample.identity
        identity.recipeDigest = SHA256.hex(old.utf8)
        do { _ = try RunFolder.create(path: folder.file("run"), identity: identity, recipeYAML: old) }
        var recipe = Recipe()
        recipe.calibration.sequences = 7
        var asked = identity
        asked.recipeDigest = recipe.digest
        #expect(asked.recipeDigest != identity.recipeDigest)
        do {
            let run = try RunFolder.open(path: folder.file("run"), expecting: asked)
            #expect(run.identity == identity)
        }
        recipe.calibration.sequences = 8
        asked.recipeDigest = recipe.digest
        #expect(
            try error { _ = try RunFolder.open(path: folder.file("run"), expecting: asked) }.code == .mismatch
        )
        // A text that was changed since is no recipe of the run.
        try folder.write(Array("start:\n  importance_sequences: 8\n".utf8), to: "run/recipe.yaml")
        #expect(
            try error { _ = try RunFolder.open(path: folder.file("run"), expecting: asked) }.code == .mismatch
        )
    }

    @Test("are not made where something else or a run is")
    func occupied() throws {
        let folder = try TemporaryFolder()
        try folder.write([1], to: "photo.jpg")
        let other = try error { _ = try RunSample.create(folder.path) }
        #expect(other.code == .mismatch)
        #expect(
            other.description
                == "\(folder.path): is not empty and holds no run (photo.jpg); choose another folder")
        #expect(try folder.names == ["photo.jpg"])

        // A recipe that someone wrote is no half-made run.
        let second = try TemporaryFolder()
        try second.write(Array("mine".utf8), to: "recipe.yaml")
        #expect(try error { _ = try RunSample.create(second.path) }.code == .mismatch)
        #expect(try contents(second.file("recipe.yaml")) == Array("mine".utf8))

        let third = try TemporaryFolder()
        do { _ = try RunSample.create(third.path) }
        let run = try error { _ = try RunSample.create(third.path) }
        #expect(run.problem == "holds a run already")
    }

    @Test("that a killed process did not come to finish are made again")
    func halfMade() throws {
        let folder = try TemporaryFolder()
        for (name, bytes) in [("lock", "1\n"), ("recipe.yaml", "old"), (".run.json.partial-1", "{")] {
            try folder.write(Array(bytes.utf8), to: name)
        }
        let run = try RunSample.create(folder.path)
        #expect(
            try String(decoding: contents(run.path + "/recipe.yaml"), as: UTF8.self)
                == "train:\n  steps: 200\n")
        #expect(try folder.names == ["checkpoints", "lock", "recipe.yaml", "run.json"])
    }

    @Test("are not opened where there is no run")
    func noRun() throws {
        let folder = try TemporaryFolder()
        for path in [folder.path, folder.file("absent")] {
            #expect(try error { _ = try RunFolder.open(path: path) }.code == .mismatch)
        }
        #expect(try folder.names == [])
        try folder.write(Array("{\"teacher_path\": 1}".utf8), to: "run.json")
        let malformed = try #require(throws: CheckpointError.self) {
            _ = try RunFolder.open(path: folder.path)
        }
        #expect(malformed.code == .malformed && malformed.path == folder.file("run.json"))
    }

    @Test(
        "are not resumed with another teacher, text or recipe",
        arguments: [
            ("another teacher (digest t1, now t2)", \RunIdentity.teacherDigest, "t2"),
            ("another text (digest x1, now x2)", \.textDigest, "x2"),
            ("another recipe (digest r1, now r2)", \.recipeDigest, "r2"),
        ] as [(String, any WritableKeyPath<RunIdentity, String> & Sendable, String)])
    func identity(part: String, field: any WritableKeyPath<RunIdentity, String> & Sendable, digest: String)
        throws
    {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        var asked = RunSample.identity
        asked[keyPath: field] = digest
        let error = try error { _ = try RunFolder.open(path: folder.path, expecting: asked) }
        #expect(error.code == .mismatch)
        #expect(error.problem == "was begun with " + part)
    }

    @Test("are resumed with a teacher that has moved and another version")
    func moved() throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        var asked = RunSample.identity
        asked.teacherPath = "/elsewhere"
        asked.nibbleVersion = "9"
        asked.created = "now"
        #expect(try RunFolder.open(path: folder.path, expecting: asked).identity == RunSample.identity)
    }

    @Test("are held by one process at a time, and released with it")
    func lock() throws {
        let folder = try TemporaryFolder()
        do {
            let run = try RunSample.create(folder.path)
            let error = try #require(throws: CheckpointError.self) {
                _ = try RunFolder.open(path: folder.path)
            }
            #expect(error.code == .invalidRequest)
            #expect(error.problem == "is in use by process \(getpid())")
            #expect(try RunStatus(path: folder.path).isRunning)
            withExtendedLifetime(run) {}
        }
        #expect(try !RunStatus(path: folder.path).isRunning)
        _ = try RunFolder.open(path: folder.path)
    }

    @Test("lose what killed processes left half-written, when opened")
    func leftovers() throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        // The number of a living process: the lock tells that it is not the writer.
        let names = [
            ".run.json.partial-1", "checkpoints/.step-00000100.safetensors.partial-\(getpid())",
            "checkpoints/.best.json.partial-1",
        ]
        for name in names { try folder.write([1], to: name) }
        try folder.write([1], to: "checkpoints/notes.txt")
        _ = try RunFolder.open(path: folder.path)
        for name in names { #expect(!FileManager.default.fileExists(atPath: folder.file(name)), "\(name)") }
        #expect(FileManager.default.fileExists(atPath: folder.file("checkpoints/notes.txt")))
    }
}
