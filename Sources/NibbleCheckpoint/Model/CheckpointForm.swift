/// In which form the checkpoint at a path is, by what the path names.
package enum CheckpointForm: Sendable {
    /// A hub folder, or a file of its weights.
    case hub
    /// A file of gemma.cpp.
    case sbs
    /// A GGUF file, and whatever is none of the others.
    case gguf

    package init(path: String) {
        if FilePath.isFolder(path) || path.hasSuffix(".safetensors") || path.hasSuffix(".json") {
            self = .hub
        } else if path.lowercased().hasSuffix(".sbs") {
            self = .sbs
        } else {
            self = .gguf
        }
    }
}
