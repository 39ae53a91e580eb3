internal import Foundation

/// The real models that `scripts/fetch-model.sh` brings; tests that need them name `NIBBLE_MODELS`.
package enum RealModels {
    /// The folder, where the environment names one.
    package static let folder = ProcessInfo.processInfo.environment["NIBBLE_MODELS"]

    /// Why tests with real models do not run.
    package static let hint =
        "NIBBLE_MODELS names no folder with the real models; scripts/test.sh does"

    /// The published file of a model.
    package static func source(_ name: String) -> String {
        let files = [
            "gemma-3-270m": "gemma-3-270m-q4_k_m.gguf", "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf",
        ]
        return (folder ?? "") + "/" + (files[name] ?? name)
    }

    /// The BF16 file of a model.
    package static func bf16(_ name: String) -> String { (folder ?? "") + "/\(name).bf16.gguf" }

    /// The text that `scripts/fetch-text.sh` brings, where the environment names one.
    package static let text = ProcessInfo.processInfo.environment["NIBBLE_TEXT"]

    /// Why tests with the text do not run.
    package static let textHint =
        "NIBBLE_TEXT names no text, or NIBBLE_MODELS no folder with the real models; scripts/test.sh does"

    /// What llama-quantize makes of a model, by type: `Tests/Fixtures/real-models.json`.
    package static func digests(_ name: String) throws -> [String: String] {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("real-models.json")))
        return try JSONDecoder().decode([String: [String: String]].self, from: data)[name] ?? [:]
    }

    /// SHA-256 of a file of any size.
    package static func sha256(_ path: String) throws -> String {
        // Python's OpenSSL takes a tenth of the time of sha256sum, where the processor has instructions for it.
        let program =
            "import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256').hexdigest())"
        guard let python = ReferencePython.path else {
            return String(try run("/usr/bin/env", ["sha256sum", path]).output.prefix(64))
        }
        return String(try run(python, ["-c", program, path]).output.prefix(64))
    }

    /// Runs a program to its end.
    package static func run(_ program: String, _ arguments: [String]) throws -> (
        output: String, status: Int32
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: data, as: UTF8.self), process.terminationStatus)
    }
}
