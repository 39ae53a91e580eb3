import NibbleQuantization
import NibbleTraining

extension RunExport {
    /// Writes with the exporter that the command line would take.
    @discardableResult
    func write(to output: String, threads: Int, version: String) throws -> ConversionSummary {
        let type = try folderType ?? RunStatus(path: path).type
        return try write(
            to: output, exporter: CheckpointExporters.guess(output: output, type: type), threads: threads,
            version: version)
    }
}

extension TrainingRun {
    /// Exports with the exporter that the command line would take.
    @discardableResult
    func export(to output: String) throws -> ConversionSummary {
        let type = request.recipe.quantization.type
        return try export(to: output, exporter: CheckpointExporters.guess(output: output, type: type))
    }
}
