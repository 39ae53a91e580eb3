internal import Nibble

/// Runs of `nibble qat` whose training curves a comparison shows.
struct ReportRuns {
    private var runs: [(title: String, path: String, status: RunStatus)] = []
    /// What kept runs out of it.
    private(set) var notes: [String] = []

    /// - Parameters:
    ///   - models: one that lies in its run folder brings the run along.
    ///   - paths: run folders that are asked for.
    /// - Throws: `TrainingError` and `CheckpointError` where one that is asked for is no run, or is damaged.
    init(models: [String], paths: [String]) throws {
        for path in paths {
            runs.append(("Training of \(FilePath.name(of: path))", path, try RunStatus(path: path)))
        }
        for model in models {
            let folder = FilePath.folder(of: model)
            guard RunStatus.isRun(folder),
                !runs.contains(where: { FilePath.absolute($0.path) == FilePath.absolute(folder) })
            else {
                continue
            }
            do {
                let status = try RunStatus(path: folder)
                runs.append(("Training of \(FilePath.name(of: model))", folder, status))
            } catch {
                notes.append("the run that \(model) lies in is left out: \(error)")
            }
        }
    }

    /// The curves of each run.
    var sections: [ReportSection] {
        runs.map { title, path, status in
            ReportSection(title, parts: TrainingPage(status, path: path, facts: []).curves)
        }
    }

    var json: JSONValue {
        .array(runs.map { RunStatusReport(status: $0.status, path: $0.path).document })
    }
}
