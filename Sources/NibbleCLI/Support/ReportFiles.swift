internal import Nibble

/// Where a report is written: a page, with JSON and Markdown beside it.
struct ReportFiles {
    private let folder: String
    private let name: String
    private let isReplacing: Bool

    /// - Parameters:
    ///   - path: a file that ends in `.html`, or a folder.
    ///   - replacing: whether files that are there may be replaced.
    /// - Throws: ``CheckpointError`` where one is there and may not be replaced, or none can be written.
    init(_ path: String, replacing: Bool) throws(CheckpointError) {
        isReplacing = replacing
        try OutputPlace.checkName(path, kind: "a file that ends in .html, or a folder")
        if path.hasSuffix(".html") {
            folder = FilePath.folder(of: path)
            name = String(FilePath.name(of: path).dropLast(5))
            guard !name.isEmpty else {
                throw CheckpointError(
                    .invalidRequest, path: path, "has no name before .html", advice: "name it, as report.html"
                )
            }
        } else {
            folder = FilePath.trimmingSlashes(path)
            name = "report"
            try FilePath.makeFolder(folder)
        }
        for path in paths { try OutputPlace(file: path).check(replacing: replacing) }
    }

    private var paths: [String] { [".html", ".json", ".md"].map { FilePath.join(folder, name + $0) } }

    /// The page.
    var page: String { paths[0] }

    /// Writes all three.
    ///
    /// - Throws: ``CheckpointError`` where the system does not take them; what was there is untouched then.
    func write(html: String, json: String, markdown: String) throws(CheckpointError) {
        let contents = [html, json + "\n", markdown + "\n"]
        let files = zip(paths, contents).map {
            HubFile(name: FilePath.name(of: $0), contents: Array($1.utf8))
        }
        let writer = try CheckpointWriter(.files(files, folder: folder), replacing: isReplacing)
        try writer.commit(flush: false)
    }
}
