/// Files of `Tests/Fixtures`.
package enum Fixtures {
    /// The folder.
    package static let folder: String = {
        let file = #filePath
        let suffix = "/NibbleTestSupport/Fixtures.swift"
        return String(file.dropLast(suffix.count)) + "/Fixtures"
    }()

    /// The path of a fixture: `hub/llama3`.
    package static func path(_ name: String) -> String { folder + "/" + name }

    /// The hub folders with an expected GGUF beside them.
    package static let hubNames = [
        "gemma3-multimodal-new", "gemma3-multimodal-old", "gemma3-text", "llama2-spm", "llama3", "llama3-new",
        "qwen2", "qwen3", "smollm2",
    ]
}
