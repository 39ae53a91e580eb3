internal import Nibble

/// Runs of `nibble qat` whose training curves a comparison shows.
struct ReportRuns {
    private var runs: [(name: String, path: String, status: RunStatus)] = []
    /// What kept runs out of it.
    private(set) var notes: [String] = []

    /// - Parameters:
    ///   - models: one that lies in its run folder brings the run along.
    ///   - paths: run folders that are asked for.
    /// - Throws: `TrainingError` and `CheckpointError` where one that is asked for is no run, or is damaged.
    init(models: [String], paths: [String]) throws {
        for path in paths where !holds(path) {
            runs.append((FilePath.name(of: FilePath.trimmingSlashes(path)), path, try RunStatus(path: path)))
        }
        for model in models {
            let folder = FilePath.folder(of: model)
            guard RunStatus.isRun(folder), !holds(folder) else { continue }
            do {
                runs.append((FilePath.name(of: model), folder, try RunStatus(path: folder)))
            } catch {
                notes.append("the run that \(model) lies in is left out: \(error)")
            }
        }
    }

    /// Whether a run is among them, by whatever path.
    private func holds(_ path: String) -> Bool {
        runs.contains { FilePath.isSame($0.path, path) }
    }

    /// The curves of each run.
    var sections: [ReportSection] {
        runs.compactMap { name, path, status in
            let curves = TrainingPage(status, path: path, facts: []).curves
            guard !curves.isEmpty else { return nil }
            let isAmbiguous = runs.count(where: { $0.name == name }) > 1
            return ReportSection("Training of \(isAmbiguous ? path : name)", parts: curves)
        }
    }

    var json: JSONValue {
        .array(runs.map { RunStatusReport(status: $0.status, path: $0.path).document })
    }
}
