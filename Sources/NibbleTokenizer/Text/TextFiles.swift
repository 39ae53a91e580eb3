package import NibbleCheckpoint

/// The files that a text is made from.
package enum TextFiles {
    /// Endings of files that are taken from a folder.
    package static let endings = [".jsonl", ".md", ".txt"]
    /// Folders within one another; links that lead in circles end here.
    private static let maximumDepth = 32

    /// The files at `paths`: those that are named, and those in folders that are named.
    package static func list(_ paths: [String]) throws -> [String] {
        guard !paths.isEmpty else {
            throw TextError(
                "text", "is missing: no file or folder was named", advice: "name some text")
        }
        var files: [String] = []
        for path in paths {
            guard FilePath.isFolder(path) else {
                files.append(path)
                continue
            }
            var found: [String] = []
            try search(path, depth: 0, &found)
            guard !found.isEmpty else {
                throw TextError(
                    path, "holds no text",
                    advice: "texts end in \(endings.joined(separator: ", "))")
            }
            files += found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        return files
    }

    /// Checks that all paths are there, without reading: what is written or computed before may take hours.
    package static func checkPresence(_ paths: [String]) throws(CheckpointError) {
        try MappedFile.checkStandardInput(paths)
        for path in paths where path != "-" && !FilePath.exists(path) {
            throw .system("cannot open", path: path)
        }
    }

    private static func search(_ folder: String, depth: Int, _ found: inout [String]) throws {
        guard depth < maximumDepth else {
            throw TextError(
                folder, "is more than \(maximumDepth) folders deep",
                advice: "look for a link that leads in a circle")
        }
        // Hidden ones belong to programs: .git, .DS_Store.
        for name in try FilePath.contents(of: folder) where !name.hasPrefix(".") {
            let path = FilePath.join(folder, name)
            if FilePath.isFolder(path) {
                try search(path, depth: depth + 1, &found)
            } else if endings.contains(where: name.lowercased().hasSuffix) {
                found.append(path)
            } else {
                throw TextError(
                    path,
                    "is in a folder of text, but ends in none of"
                        + " \(endings.joined(separator: ", "))",
                    advice: "move it away, or name the files instead of the folder")
            }
        }
    }
}
