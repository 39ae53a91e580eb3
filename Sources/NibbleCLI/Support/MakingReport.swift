internal import Nibble

/// What it takes to calibrate or train a model on this machine, as text and as JSON.
struct MakingReport {
    private var rows: [Row] = []
    private let limit: Int

    private struct Row {
        let command: String
        let type: QuantizationType
        let memoryBytes: Int
        let scratchBytes: Int?
        let notes: [String]
    }

    /// - Parameters:
    ///   - types: what weights become; those that cannot be calibrated or trained are errors.
    ///   - memory: what may be used, in bytes; nil: nine tenths of this machine's.
    init(
        _ subject: MemorySubject, types: [QuantizationType], calibrates: Bool, trains: Bool, memory: Int?,
        threads: Int
    ) throws {
        limit = memory ?? ProcessMemory.allowedBytes
        for type in types {
            if calibrates {
                let conversion = ConversionRequest(
                    input: subject.name, output: "", exporter: CheckpointExporters.gguf,
                    plan: QuantizationPlan(type), threads: threads)
                var request = CalibrationRequest(conversion, texts: [], version: NibbleVersion.current)
                request.memoryLimit = memory
                let space = try CalibrationSpace(subject, request)
                rows.append(
                    Row(
                        command: "nibble convert --calibrate", type: type, memoryBytes: space.memoryBytes,
                        scratchBytes: space.scratchBytes, notes: space.restrictions))
            }
            if trains {
                for state in Recipe.Optimizer.State.allCases {
                    var recipe = Recipe()
                    recipe.quantization.type = type
                    recipe.optimizer.state = state
                    let plan = try MemoryPlan(subject, recipe, threads: threads, limit: limit)
                    rows.append(
                        Row(
                            command: state == .f32
                                ? "nibble qat" : "nibble qat --set optimizer.state=\(state.rawValue)",
                            type: type, memoryBytes: plan.resident, scratchBytes: nil,
                            notes: plan.recomputes ? ["blocks are computed again on the way back"] : []))
                }
            }
        }
    }

    var text: String {
        let columns = ["to make it", "type", "memory", "scratch", "\(Text.bytes(limit)) may be used"]
        let cells = rows.map { row in
            [
                row.command, row.type.rawValue, Text.bytes(row.memoryBytes),
                row.scratchBytes.map { Text.bytes($0) } ?? "",
                ([row.memoryBytes <= limit ? "fits" : "does not fit"] + row.notes).joined(separator: "; "),
            ]
        }
        return Text.table([columns] + cells, right: [2, 3])
    }

    var json: JSONValue {
        .members([
            "limit_bytes": .integer(limit),
            "commands": .array(
                rows.map { row in
                    .members([
                        "command": .string(row.command), "type": .string(row.type.rawValue),
                        "memory_bytes": .integer(row.memoryBytes),
                        "scratch_bytes": row.scratchBytes.map { .integer($0) } ?? .null,
                        "fits": .bool(row.memoryBytes <= limit),
                        "notes": .array(row.notes.map { .string($0) }),
                    ])
                }),
        ])
    }
}
