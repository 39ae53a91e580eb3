extension GGUFCheckpoint {
    /// What the file is called in a folder of its own: as the folder, of letters, digits and `._-` alone.
    package static func fileName(inFolder folder: String) -> String {
        let name = FilePath.name(of: FilePath.trimmingSlashes(folder))
        let plain = name.unicodeScalars.map { scalar -> Character in
            let isPlain =
                scalar.isASCII
                && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    || "._-".unicodeScalars.contains(scalar))
            return isPlain ? Character(scalar) : "-"
        }
        return String(plain).droppingSuffix(".gguf") + ".gguf"
    }

    /// The paths of all parts of a split file, the first of which is given; nil where its name is no first part's.
    package static func parts(ofFirst path: String) -> [String]? {
        let ending = ".gguf"
        guard path.hasSuffix(ending), let count = Int(path.dropLast(ending.count).suffix(5)), count > 0,
            let prefix = Split.prefix(of: path, count: count)
        else { return nil }
        return (0..<count).map { Split.path(prefix: prefix, number: $0, count: count) }
    }

    /// Whether a name is that of a file, or of a part that it is split into.
    static func isPart(_ name: String, of file: String) -> Bool {
        if name == file { return true }
        let stem = file.droppingSuffix(".gguf") + "-"
        guard name.hasPrefix(stem), name.hasSuffix(".gguf") else { return false }
        let parts = name.dropFirst(stem.count).dropLast(".gguf".count).split(separator: "-")
        return parts.count == 3 && parts[1] == "of" && Int(parts[0]) != nil && Int(parts[2]) != nil
    }
}

extension CheckpointLayout {
    /// A folder at `path` that holds a GGUF file and `companions`.
    package static func ggufFolder(
        path: String, metadata: GGUFMetadata, tensors: [Tensor], companions: [HubFile], splitSize: Int?
    ) throws(CheckpointError) -> CheckpointLayout {
        let folder = FilePath.followingLink(FilePath.trimmingSlashes(path))
        var layout = try gguf(
            path: FilePath.join(folder, GGUFCheckpoint.fileName(inFolder: path)), metadata: metadata,
            tensors: tensors, splitSize: splitSize)
        (layout.folder, layout.isFolder, layout.companions) = (folder, true, companions)
        return layout
    }
}
