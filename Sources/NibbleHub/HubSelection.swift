internal import NibbleCheckpoint

/// Which files of a repository are brought.
public struct HubSelection: Sendable {
    /// Patterns of paths, as shells have them: `*` and `?` match within names and across slashes. Empty for what the kind says.
    public var include: [String] = []
    /// Patterns of paths that are left out.
    public var exclude: [String] = []
    /// What is wanted, where no pattern says it.
    public var kind = Kind.checkpoint

    /// What makes up a model in one form.
    public enum Kind: Sendable {
        /// A hub folder: safetensors, configuration, tokenizer, templates, card and license.
        case checkpoint
        /// GGUF files.
        case gguf
        /// All files.
        case everything
    }

    /// A checkpoint.
    public init() {}

    /// The files of a listing that are wanted, in its order.
    ///
    /// - Throws: ``HubError`` (`notFound`) with what there is where nothing matches.
    public func files(of listing: RemoteListing, in repository: HubRepository) throws(HubError)
        -> [RemoteFile]
    {
        if let file = repository.file {
            let paths = Set(GGUFCheckpoint.parts(ofFirst: file) ?? [file])
            let wanted = listing.files.filter { paths.contains($0.path) }
            guard !wanted.isEmpty else {
                let near = Self.near(file, among: listing.files.map(\.path))
                throw HubError(
                    .notFound, "\(repository)", "the repository has no such file",
                    advice: near.isEmpty ? nil : "it has " + near.joined(separator: ", "))
            }
            return wanted
        }
        let files = listing.files.filter { isWanted($0.path) }
        guard !files.isEmpty else {
            let models = listing.files.map(\.path).filter {
                [".gguf", ".safetensors", ".bin", ".pth", ".sbs"].contains(where: $0.hasSuffix)
            }
            let some = (models.isEmpty ? listing.files.map(\.path) : models).prefix(5).joined(separator: ", ")
            throw HubError(
                .notFound, "\(repository)",
                "no file of it is wanted (\(include.isEmpty ? "\(kind)" : include.joined(separator: ", ")))",
                advice: some.isEmpty ? "the repository is empty" : "it has \(some)")
        }
        return files
    }

    /// Whether patterns, or the kind where there are none, want a path.
    func isWanted(_ path: String) -> Bool {
        (include.isEmpty ? kind.contains(path) : include.contains { Self.matches(path, $0) })
            && !exclude.contains { Self.matches(path, $0) }
    }

    /// Whether a path matches a pattern, as Python's `fnmatch` decides without sets.
    static func matches(_ path: String, _ pattern: String) -> Bool {
        let (text, marks) = (Array(path.utf8), Array(pattern.utf8))
        var (position, mark, star, retry) = (0, 0, -1, 0)
        while position < text.count {
            if mark < marks.count, marks[mark] == UInt8(ascii: "*") {
                (star, retry) = (mark, position)
                mark += 1
            } else if mark < marks.count, marks[mark] == UInt8(ascii: "?") || marks[mark] == text[position] {
                (position, mark) = (position + 1, mark + 1)
            } else if star >= 0 {
                retry += 1
                (position, mark) = (retry, star + 1)
            } else {
                return false
            }
        }
        return marks[mark...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    private static func near(_ name: String, among paths: [String]) -> [String] {
        let ending = name.split(separator: ".").last.map(String.init) ?? ""
        let same = paths.filter { $0.hasSuffix("." + ending) }
        return Array((same.isEmpty ? paths : same).prefix(5))
    }
}

extension HubSelection.Kind {
    private static let checkpointNames: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
        "chat_template.json", "preprocessor_config.json", "processor_config.json",
        "model.safetensors.index.json",
        "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt",
    ]

    /// Whether a file belongs to it.
    func contains(_ path: String) -> Bool {
        switch self {
        case .everything: true
        case .gguf: path.hasSuffix(".gguf")
        case .checkpoint:
            Self.checkpointNames.contains(path) || path.hasPrefix("additional_chat_templates/")
                || (path.hasPrefix("model") && path.hasSuffix(".safetensors") && !path.contains("/"))
        }
    }
}
