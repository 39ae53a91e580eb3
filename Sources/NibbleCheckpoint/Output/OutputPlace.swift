/// Whether something may be written to the place of an output, as far as that can be told before.
package struct OutputPlace {
    /// The path that a user knows the output by.
    private let path: String
    private let isFolder: Bool
    /// The paths that will be written: the folder, or the files.
    private let targets: [String]
    /// The folder that they are in.
    private let parent: String
    /// What the output is called: `a .gguf file or a folder`.
    private var kind = "a .gguf file or a folder"

    init(_ layout: CheckpointLayout) {
        path = layout.path
        isFolder = layout.isFolder
        targets =
            layout.isFolder ? [layout.folder] : layout.files.map { FilePath.join(layout.folder, $0.name) }
        parent = layout.isFolder ? FilePath.folder(of: layout.folder) : layout.folder
    }

    /// The place of an output that is not laid out yet.
    package init(path: String, isFolder: Bool) {
        self.path = path
        self.isFolder = isFolder
        targets = [FilePath.trimmingSlashes(path)]
        parent = FilePath.folder(of: path)
    }

    /// The place of a single file of any kind.
    package init(file path: String) {
        self.path = path
        isFolder = false
        targets = [path]
        parent = FilePath.folder(of: path)
        kind = "a file"
    }

    /// - Parameter replacing: whether an existing output may be replaced.
    /// - Throws: ``CheckpointError`` where the path is empty, the folder around it does not exist or cannot be written,
    ///   or what exists may not be replaced. An empty folder may always be.
    package func check(replacing: Bool) throws(CheckpointError) {
        try Self.checkName(path, kind: kind)
        guard FilePath.isFolder(parent) else {
            throw CheckpointError(.inputOutput, path: parent, "no such folder", advice: "create it first")
        }
        guard FilePath.isWritable(parent) else { throw .system("cannot be written to", path: parent) }
        for target in targets where FilePath.exists(target) { try check(target, replacing: replacing) }
    }

    /// - Throws: ``CheckpointError`` where `path` names no file and no folder.
    package static func checkName(
        _ path: String, kind: String = "a .gguf file or a folder"
    ) throws(CheckpointError) {
        guard !path.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: "output", "the path is empty", advice: "name \(kind)")
        }
        guard ![".", ".."].contains(FilePath.name(of: path)) else {
            throw CheckpointError(
                .invalidRequest, path: path, "is a folder without a name of its own here",
                advice: "name it from the folder around it")
        }
        guard path != "-" else {
            throw CheckpointError(
                .invalidRequest, path: "output", "'-' is no place: it is not written to a pipe",
                advice: "name \(kind)")
        }
    }

    private func check(_ target: String, replacing: Bool) throws(CheckpointError) {
        func refuse(_ problem: String, _ advice: String) -> CheckpointError {
            CheckpointError(.invalidRequest, path: target, problem, advice: advice)
        }
        if FilePath.isSpecial(target) {
            throw refuse("is a device or a pipe, which is not replaced", "choose another output")
        }
        guard isFolder == FilePath.isFolder(target) else {
            throw refuse(
                isFolder
                    ? "is a file, and a folder is to be written" : "is a folder, and a file is to be written",
                "choose another output")
        }
        if isFolder, FilePath.isMountPoint(target) {
            throw refuse(
                "is a mount point, which cannot be replaced as a whole", "choose a folder inside it")
        }
        let names = isFolder ? try FilePath.contents(of: target) : []
        if isFolder, names.isEmpty { return }
        // A folder is replaced as a whole, so that nothing may be in it that belongs to no checkpoint.
        let others = names.filter { !HubFile.isPartOfCheckpoint($0, in: target) }
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
        "README.md", "added_tokens.json", "chat_template.jinja",
        "chat_template.json", "config.json", "generation_config.json", "merges.txt",
        "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
    ]

    /// Whether a file of a folder is one of those that a conversion writes, and may therefore replace.
    static func isPartOfCheckpoint(_ name: String, in folder: String) -> Bool {
        let path = FilePath.join(folder, name)
        if name == additionalTemplates {
            return FilePath.names(in: path).allSatisfy {
                $0.hasSuffix(".jinja") && !FilePath.isFolder(FilePath.join(path, $0))
            }
        }
        guard !FilePath.isFolder(path) else { return false }
        if name == "Modelfile" || GGUFCheckpoint.isPart(name, of: GGUFCheckpoint.fileName(inFolder: folder)) {
            return true
        }
        return namesOfCheckpoints.contains(name) || name == SafetensorsCheckpoint.fileName
            || name == SafetensorsCheckpoint.indexName
            || SafetensorsCheckpoint.ShardName(name)?.prefix == "model"
    }
}
