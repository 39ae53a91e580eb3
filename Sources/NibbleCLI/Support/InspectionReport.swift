internal import Nibble

/// An inspection as text and as JSON.
struct InspectionReport {
    private let inspection: CheckpointInspection
    private let showsTensors: Bool
    private let showsMetadata: Bool

    /// Elements of an array shown in text.
    private static let shownElements = 8

    init(_ inspection: CheckpointInspection, showsTensors: Bool, showsMetadata: Bool) {
        self.inspection = inspection
        self.showsTensors = showsTensors
        self.showsMetadata = showsMetadata
    }

    // MARK: - Text

    func text() throws -> String {
        var facts: [[String]] = [["format", inspection.format]]
        if let architecture = inspection.architecture { facts.append(["architecture", architecture]) }
        if let name = inspection.name { facts.append(["name", name]) }
        facts.append(["parameters", Text.count(inspection.parameterCount)])
        facts.append([
            "size",
            "\(Text.bytes(inspection.byteCount)), \(Text.bits(inspection.bitsPerWeight)) bits a weight",
        ])
        if let tokenizer = inspection.tokenizer { facts.append(["tokenizer", tokenizer]) }
        if let problem = inspection.tokenizerProblem { facts.append(["tokenizer unknown", "\(problem)"]) }
        facts += lattices
        if let obstacle = inspection.obstacle { facts.append(["not convertible", "\(obstacle)"]) }
        if let obstacle = inspection.computationObstacle { facts.append(["not computed", "\(obstacle)"]) }
        facts += inspection.notes.map { ["warning", "\($0)"] }
        if let problem = inspection.provenanceProblem { facts.append(["training unknown", "\(problem)"]) }
        var sections = [Text.table(facts), typeTable]
        if let provenance = inspection.provenance { sections.append(ProvenanceReport(provenance).text) }
        if showsMetadata { sections.append(try metadataTable()) }
        if showsTensors { sections.append(tensorTable) }
        return sections.joined(separator: "\n\n")
    }

    private var lattices: [[String]] {
        guard inspection.plainMatrices > 0 else { return [["lattice", "no unquantized matrix to test"]] }
        guard !inspection.lattices.isEmpty else {
            return [["lattice", "none of 4 or 5 bits: the weights are as training leaves them"]]
        }
        return inspection.lattices.map { share in
            let scales =
                switch share.scales {
                case .portable: "scales of 8 significant bits"
                case .storable: "scales that \(share.format) holds"
                case .other: "scales that \(share.format) does not hold"
                }
            return [
                "lattice",
                "\(share.format): \(share.tensors.count) of \(inspection.plainMatrices) matrices, \(scales); "
                    + "\(Text.count(share.sample.off)) of \(Text.count(share.sample.tested)) blocks tested are off it",
            ]
        }
    }

    private var typeTable: String {
        var rows = [["type", "tensors", "weights", "bytes", "share"]]
        for share in inspection.typeShares {
            let percent = 100 * Double(share.byteCount) / Double(max(inspection.byteCount, 1))
            rows.append([
                share.type.description, String(share.tensorCount), Text.count(share.elementCount),
                Text.bytes(share.byteCount), "\(Int(percent.rounded())) %",
            ])
        }
        return Text.table(rows, right: [1, 2, 3, 4])
    }

    private var tensorTable: String {
        var rows = [["tensor", "shape", "type", "bytes", "at byte"]]
        for tensor in inspection.tensors {
            rows.append([
                tensor.name, tensor.shape.map(String.init).joined(separator: "x"), tensor.type.description,
                String(tensor.byteCount), String(tensor.range.lowerBound),
            ])
        }
        return Text.table(rows, right: [3, 4])
    }

    private func metadataTable() throws -> String {
        guard let metadata = inspection.metadata else { return "no metadata: not a GGUF file" }
        var rows: [[String]] = []
        for key in metadata.keys {
            guard let value = try metadata.value(key) else { continue }
            rows.append([key, Self.typeName(value), Self.text(value)])
        }
        return Text.table(rows)
    }

    private static func typeName(_ value: GGUFValue) -> String {
        guard case .array(let type, let elements) = value else { return "\(value.type)" }
        return "\(type)[\(elements.count)]"
    }

    private static func text(_ value: GGUFValue) -> String {
        if let elements = value.elements {
            let shown = elements.prefix(shownElements).map(text).joined(separator: ", ")
            return elements.count > shownElements ? shown + ", ..." : shown
        }
        if let text = value.text {
            let line = String(text.prefix(80).map { $0.isNewline ? " " : $0 })
            return text.count > 80 ? line + "..." : line
        }
        return json(value).serialized(pretty: false)
    }

    // MARK: - JSON

    private static func json(_ share: CheckpointInspection.LatticeShare) -> JSONValue {
        .members([
            "format": .string(share.format.description), "scales": .string(share.scales.rawValue),
            "blocks_tested": .integer(share.sample.tested), "blocks_off": .integer(share.sample.off),
            "tensors": .array(share.tensors.map { .string($0) }),
        ])
    }

    func json() throws -> String {
        var members: [JSONValue.Member] = [
            .init("path", .string(inspection.path)),
            .init("format", .string(inspection.format)),
            .init("architecture", inspection.architecture.map { .string($0) } ?? .null),
            .init("name", inspection.name.map { .string($0) } ?? .null),
            .init("parameters", .integer(inspection.parameterCount)),
            .init("bytes", .integer(inspection.byteCount)),
            .init("bits_per_weight", .real(inspection.bitsPerWeight)),
            .init("tokenizer", inspection.tokenizer.map { .string($0) } ?? .null),
            .init("plain_matrices", .integer(inspection.plainMatrices)),
            .init("lattices", .array(inspection.lattices.map(Self.json))),
            .init("tokenizer_problem", inspection.tokenizerProblem.map { .string("\($0)") } ?? .null),
            .init("not_convertible", inspection.obstacle.map { .string("\($0)") } ?? .null),
            .init("not_computed", inspection.computationObstacle.map { .string("\($0)") } ?? .null),
            .init("warnings", .array(inspection.notes.map { .string("\($0)") })),
            .init("provenance", inspection.provenance.map { ProvenanceReport($0).json } ?? .null),
            .init("provenance_problem", inspection.provenanceProblem.map { .string("\($0)") } ?? .null),
            .init("types", .array(inspection.typeShares.map(Self.json))),
        ]
        if showsMetadata, let metadata = inspection.metadata {
            var pairs: [JSONValue.Member] = []
            for key in metadata.keys {
                if let value = try metadata.value(key) { pairs.append(.init(key, Self.json(value))) }
            }
            members.append(.init("metadata", .object(pairs)))
        }
        if showsTensors { members.append(.init("tensors", .array(inspection.tensors.map(Self.json)))) }
        return String(JSONValue.object(members).serialized().dropLast())
    }

    private static func json(_ share: CheckpointInspection.TypeShare) -> JSONValue {
        .members([
            "type": .string(share.type.description), "tensors": .integer(share.tensorCount),
            "weights": .integer(share.elementCount), "bytes": .integer(share.byteCount),
        ])
    }

    private static func json(_ tensor: TensorEntry) -> JSONValue {
        .members([
            "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer($0) }),
            "type": .string(tensor.type.description), "bytes": .integer(tensor.byteCount),
            "offset": .integer(tensor.range.lowerBound), "file": .string(tensor.file.path),
        ])
    }

    /// JSON has no NaN and no infinity; they become strings.
    private static func json(_ value: GGUFValue) -> JSONValue {
        switch value {
        case .uint64(let number): .number(String(number))
        case .float32(let number): number.isFinite ? .number("\(number)") : .string("\(number)")
        case .float64(let number): number.isFinite ? .number("\(number)") : .string("\(number)")
        case .bool(let flag): .bool(flag)
        case .string(let text): .string(text)
        case .array(_, let elements): .array(elements.map(json))
        default: .integer(value.integer ?? 0)
        }
    }
}
