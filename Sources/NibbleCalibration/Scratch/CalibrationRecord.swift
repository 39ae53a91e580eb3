internal import NibbleCheckpoint

/// What is remembered of a step that is done: a line of the journal.
struct CalibrationRecord {
    /// ``CalibrationStep/description``.
    var step: String
    /// What became of the matrices of a sublayer, where the step rounds one.
    var sublayer: RoundingPass.Done?

    /// What was measured of each quantized model, where the step measures.
    var scores: [CalibrationScores] = []
    /// What types cost, where the step measures that.
    var costs: [MatrixCosts] = []
    /// Whether the step put residual streams into files rather than memory.
    var keepsStreams = false

    init(step: String) { self.step = step }

    /// As a line of the journal.
    var json: JSONValue {
        var members: [JSONValue.Member] = [.init("step", .string(step))]
        if keepsStreams { members.append(.init("keeps_streams", .bool(true))) }
        if !costs.isEmpty { members.append(.init("costs", .array(costs.map(\.json)))) }
        if !scores.isEmpty { members.append(.init("scores", .array(scores.map(\.json)))) }
        if let sublayer {
            members.append(.init("matrices", .array(sublayer.matrices.map(Self.json))))
            members.append(.init("errors", .array(sublayer.errors.map { .real($0) })))
        }
        return .object(members)
    }

    /// What a line says; nil where it is none of a journal.
    init?(_ json: JSONValue) {
        guard let step = json["step"]?.text else { return nil }
        self.step = step
        keepsStreams = json["keeps_streams"]?.flag ?? false
        for costs in json["costs"]?.elements ?? [] {
            guard let costs = MatrixCosts(costs) else { return nil }
            self.costs.append(costs)
        }
        for scores in json["scores"]?.elements ?? [] {
            guard let scores = CalibrationScores(scores) else { return nil }
            self.scores.append(scores)
        }
        guard let matrices = json["matrices"]?.elements else { return }
        var sublayer = RoundingPass.Done()
        for matrix in matrices {
            guard let found = Self.matrix(matrix) else { return nil }
            sublayer.matrices.append(found)
        }
        sublayer.errors = json["errors"]?.elements?.compactMap(\.real) ?? []
        self.sublayer = sublayer
    }

    private static func json(
        _ matrix: (variant: Int, result: CalibrationResult.Matrix, digest: String)
    ) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("variant", .integer(matrix.variant)),
            .init("name", .string(matrix.result.name)), .init("xxh64", .string(matrix.digest)),
            .init("methods", .array(matrix.result.methods.map { .string($0.rawValue) })),
            .init(
                "missing",
                .array(
                    matrix.result.missing.map {
                        .members(["method": .string($0.method.rawValue), "reason": .string($0.reason)])
                    })),
        ]
        if let bands = matrix.result.bands { members.append(.init("bands", .integer(bands))) }
        if let damping = matrix.result.damping { members.append(.init("damping", .real(Double(damping)))) }
        return .object(members)
    }

    private static func matrix(
        _ json: JSONValue
    ) -> (variant: Int, result: CalibrationResult.Matrix, digest: String)? {
        guard let variant = json["variant"]?.integer, let name = json["name"]?.text,
            let digest = json["xxh64"]?.text,
            let methods = json["methods"]?.elements, let missing = json["missing"]?.elements
        else { return nil }
        var result = CalibrationResult.Matrix(name: name, methods: [])
        for method in methods {
            guard let method = method.text.flatMap(CalibrationResult.Method.init) else { return nil }
            result.methods.append(method)
        }
        for entry in missing {
            guard let method = entry["method"]?.text.flatMap(CalibrationResult.Method.init),
                let reason = entry["reason"]?.text
            else { return nil }
            result.missing.append(.init(method: method, reason: reason))
        }
        result.bands = json["bands"]?.integer
        result.damping = json["damping"]?.real.map { Float($0) }
        return (variant, result, digest)
    }
}
