/// Whether something may be written to the place of an output, as far as that can be told before.
package struct OutputPlace {
    /// The path that a user knows the output by.
    private let path: String
    private let isFolder: Bool
    /// The paths that will be written: the folder, or the files.
    private let targets: [String]
    /// The folder that they are in.
    private let parent: String

    init(_ layout: CheckpointLayout) {
        path = layout.path
        isFolder = layout.isFolder
        targets =
            layout.isFolder ? [layout.folder] : layout.files.map { FilePath.join(layout.folder, $0.name) }
        parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
    }

    /// The place of an output that is not laid out yet: a GGUF file by its name, else a folder.
    package init(path: String) {
        self.path = path
        isFolder = !FilePath.isGGUF(path)
        targets = [FilePath.trimmingSlashes(path)]
        parent = FilePath.folder(of: path)
    }

    /// The place of a single file of any kind.
    package init(file path: String) {
        self.path = path
        isFolder = false
        targets = [path]
        parent = FilePath.folder(of: path)
    }

    /// - Parameter replacing: whether an existing output may be replaced.
    /// - Throws: ``CheckpointError`` where the path is empty, the folder around it does not exist or cannot be written,
    ///   or what exists may not be replaced. An empty folder may always be.
    package func check(replacing: Bool) throws(CheckpointError) {
        try Self.checkName(path)
        guard FilePath.isFolder(parent) else {
            throw CheckpointError(.inputOutput, path: parent, "no such folder", advice: "create it first")
        }
        guard FilePath.isWritable(parent) else { throw .system("cannot be written to", path: parent) }
        for target in targets where FilePath.exists(target) { try check(target, replacing: replacing) }
    }

    /// - Throws: ``CheckpointError`` where `path` names no file and no folder.
    package static func checkName(_ path: String) throws(CheckpointError) {
        guard !path.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: "output", "the path is empty", advice: "name a .gguf file or a folder")
        }
        guard path != "-" else {
            throw CheckpointError(
                .invalidRequest, path: "output", "'-' is no place: a checkpoint is not written to a pipe",
                advice: "name a .gguf file or a folder; ./- is a folder of that name")
        }
    }

    private func check(_ target: String, replacing: Bool) throws(CheckpointError) {
        func refuse(_ problem: String, _ advice: String) -> CheckpointError {
            CheckpointError(.invalidRequest, path: target, problem, advice: advice)
        }
        if FilePath.isSpecial(target) {
            throw refuse("is a device or a pipe, which a checkpoint cannot replace", "choose another output")
        }
        guard isFolder == FilePath.isFolder(target) else {
            throw refuse(
                isFolder
                    ? "is a file, and a folder is to be written" : "is a folder, and a file is to be written",
                "choose another output")
        }
        let names = isFolder ? try FilePath.contents(of: target) : []
        if isFolder, names.isEmpty { return }
        // A folder is replaced as a whole, so that nothing may be in it that belongs to no checkpoint.
        let others = names.filter { !HubFile.isPartOfCheckpoint($0) }
        guard others.isEmpty else {
            throw refuse(
                "holds what is not part of a checkpoint: \(others.listed()); nothing was replaced",
                "choose another output, or move these away")
        }
        guard replacing else { throw refuse("exists already", "--force replaces it") }
    }
}

extension HubFile {
    private static let namesOfCheckpoints: Set<String> = [
        "README.md", "added_tokens.json", "additional_chat_templates", "chat_template.jinja",
        "chat_template.json", "config.json", "generation_config.json", "merges.txt",
        "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
    ]

    /// Whether a file of a folder is one of those that a conversion writes, and may therefore replace.
    static func isPartOfCheckpoint(_ name: String) -> Bool {
        namesOfCheckpoints.contains(name) || name == SafetensorsCheckpoint.fileName
            || name == SafetensorsCheckpoint.indexName
            || SafetensorsCheckpoint.ShardName(name)?.prefix == "model"
    }
}
