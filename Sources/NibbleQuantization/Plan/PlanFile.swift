public import NibbleCheckpoint
public import NibbleNumerics

/// Types of single matrices, in a text file that can be edited, compared and used again:
///
///     # nibble plan
///     type q4_k_m
///     token_embd.weight q6_k
///     blk.0.attn_q.weight q4_k
///
/// A `#` begins a comment. `type` says what the whole is called (`general.file_type`), and by whose rules matrices go
/// that are not named; all others are GGUF names of matrices and the types of their blocks.
///
/// ```swift
/// var plan = QuantizationPlan(.q4_k_m)
/// plan.file = try PlanFile(path: "gemma.plan")
/// ```
public struct PlanFile: Sendable, Equatable {
    /// Where it was read.
    public let path: String
    /// The type of the whole.
    public let type: QuantizationType
    /// In the order of the file.
    public let matrices: [Matrix]

    /// A matrix that is named.
    public struct Matrix: Sendable, Equatable {
        /// Its GGUF name.
        public let name: String
        /// How its rows are stored.
        public let type: GGMLType
        /// The line that names it, the first being 1.
        public let line: Int
    }

    /// The type of a matrix; nil where it is not named.
    func type(of name: String) -> GGMLType? { byName[name] }

    private let byName: [String: GGMLType]

    /// Reads a plan.
    ///
    /// - Throws: ``CheckpointError`` that names the line: `malformed` where it says nothing that a plan says, names a
    ///   matrix twice or a type that is not written; `missing` where no line says the type of the whole.
    public init(path: String) throws(CheckpointError) {
        let file = try MappedFile(text: path)
        let text = try withExtendedLifetime(file) { () throws(CheckpointError) in
            guard let text = String(validating: file.bytes, as: UTF8.self) else {
                throw CheckpointError(.malformed, path: path, "is not valid UTF-8")
            }
            return text
        }
        try self.init(text, path: path)
    }

    /// A plan in memory.
    ///
    /// - Parameters:
    ///   - path: where it is to be written.
    ///   - types: of matrices by name, each once.
    package init(path: String, type: QuantizationType, types: [(name: String, type: GGMLType)]) {
        self.path = path
        self.type = type
        matrices = types.enumerated().map { Matrix(name: $1.name, type: $1.type, line: $0 + 3) }
        byName = Dictionary(uniqueKeysWithValues: types.map { ($0.name, $0.type) })
    }

    init(_ text: String, path: String) throws(CheckpointError) {
        var whole: QuantizationType?
        var matrices: [Matrix] = []
        var byName: [String: GGMLType] = [:]
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard !words.isEmpty else { continue }
            func fault(_ problem: String, _ advice: String?) -> CheckpointError {
                CheckpointError(
                    .malformed, path: path, subject: "line \(index + 1)", problem, advice: advice)
            }
            guard words.count == 2 else {
                throw fault(
                    "'\(words.joined(separator: " "))' is no name and a type", "as 'blk.0.attn_q.weight q4_k'"
                )
            }
            let (name, type) = (words[0], words[1].lowercased())
            if name == "type" {
                guard whole == nil else { throw fault("says the type of the whole once more", nil) }
                let known = QuantizationType.allCases.filter(\.isGGUF).map(\.rawValue)
                guard let own = QuantizationType(rawValue: type), own.isGGUF else {
                    throw fault(
                        "'\(words[1])' is no type of GGUF files", NearestName.advice(type, among: known))
                }
                whole = own
                continue
            }
            guard let own = GGMLType(type), own.isEncodable else {
                let known = GGMLType.allCases.filter(\.isEncodable).map { $0.description.lowercased() }
                throw fault(
                    "'\(words[1])' is no type that is written",
                    NearestName.advice(type, among: known) ?? "one of " + known.joined(separator: ", "))
            }
            guard byName.updateValue(own, forKey: name) == nil else {
                throw fault("names '\(name)' once more", nil)
            }
            matrices.append(Matrix(name: name, type: own, line: index + 1))
        }
        guard let whole else {
            throw CheckpointError(
                .missing, path: path, "no line says the type of the whole",
                advice: "add one, as 'type q4_k_m'")
        }
        (self.path, type, self.matrices, self.byName) = (path, whole, matrices, byName)
    }

    /// Throws where a matrix is named that a model does not have, or that keeps its numbers.
    func check(_ plan: ResolvedPlan, of model: ModelCheckpoint) throws(CheckpointError) {
        let known = plan.tensors.filter { $0.reason != .kept }.map(\.name)
        let names = Set(known)
        guard let unknown = matrices.first(where: { !names.contains($0.name) }) else { return }
        throw CheckpointError(
            .inconsistent, path: path, subject: "line \(unknown.line)",
            "names '\(unknown.name)', which is no matrix of \(model.path)",
            advice: NearestName.advice(unknown.name, among: known) ?? "it was made for another model")
    }
}

extension ResolvedPlan {
    /// The plan as the text of a ``PlanFile``: every matrix that is quantized, or could be.
    ///
    /// - Parameter type: that of the whole.
    public func text(_ type: QuantizationType) -> String {
        let named = tensors.filter { $0.reason != .kept }
        let lines = named.compactMap { tensor in
            tensor.format.ggmlType.map { "\(tensor.name) \($0.description.lowercased())" }
        }
        return (["# nibble plan", "type \(type.rawValue)"] + lines).joined(separator: "\n") + "\n"
    }
}
