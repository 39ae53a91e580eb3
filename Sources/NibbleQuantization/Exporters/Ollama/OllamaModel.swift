package import NibbleCheckpoint

/// What Ollama is told of a model besides its weights: how to write a conversation, where to stop, how to sample, under which
/// license it is.
package struct OllamaModel: Sendable {
    /// The template in Go's language; nil where Ollama finds its own by the file's chat template, or there is none.
    package let template: String?
    /// Parameters in the order of a Modelfile.
    package let parameters: [(name: String, value: Value)]
    /// The license and where it stands; nil where the checkpoint states none.
    package let license: String?

    /// What a parameter is set to.
    package enum Value: Sendable, Equatable {
        case text(String)
        case number(String)
    }

    /// Sampling as Google recommends it for Gemma 3, whose checkpoints do not say it.
    private static let gemma: [(String, String)] = [("temperature", "1"), ("top_k", "64"), ("top_p", "0.95")]

    /// - Parameters:
    ///   - metadata: that of the GGUF file.
    ///   - path: where it comes from, for errors.
    /// - Throws: `CheckpointError` where the tokenizer in it is damaged.
    package init(
        _ metadata: GGUFMetadata, architecture: Architecture, path: String
    ) throws(CheckpointError) {
        let vocabulary = try Vocabulary(ggufMetadata: metadata, path: path)
        let hasTemplate = !vocabulary.chatTemplates.isEmpty
        template = OllamaTemplate(vocabulary, path: path)?.text
        var parameters: [(name: String, value: Value)] = []
        if hasTemplate {
            for token in vocabulary.endTokens { parameters.append(("stop", .text(vocabulary.tokens[token]))) }
        }
        var sampling: [(name: String, value: Value)] = []
        for (name, key) in [
            ("temperature", "temp"), ("top_k", "top_k"), ("top_p", "top_p"), ("min_p", "min_p"),
            ("repeat_penalty", "penalty_repeat"),
        ] {
            switch try metadata.value("general.sampling.\(key)") {
            case .float32(let value) where value.isFinite: sampling.append((name, .number("\(value)")))
            case .int32(let value): sampling.append((name, .number(String(value))))
            default: continue
            }
        }
        if sampling.isEmpty, architecture == .gemma3, hasTemplate {
            sampling = Self.gemma.map { ($0.0, .number($0.1)) }
        }
        self.parameters = parameters + sampling
        let parts = try ["general.license", "general.license.name", "general.license.link"].map {
            key throws(CheckpointError) in try metadata.value(key)?.text
        }.compactMap(\.self).filter { !$0.isEmpty }
        license = parts.isEmpty ? nil : parts.joined(separator: "\n")
    }

    /// A Modelfile.
    ///
    /// - Parameters:
    ///   - file: the GGUF file beside it.
    ///   - name: what the model will be called.
    func modelfile(_ file: String, name: String) -> String {
        var lines = ["# ollama create \(name) -f Modelfile", "FROM ./\(file)"]
        // Three quotes would end the text that they stand in.
        if let template, !template.contains("\"\"\"") { lines.append("TEMPLATE \"\"\"\(template)\"\"\"") }
        for (name, value) in parameters {
            switch value {
            case .text(let text) where text.contains("\""):
                lines.append("PARAMETER \(name) \"\"\"\(text)\"\"\"")
            case .text(let text): lines.append("PARAMETER \(name) \"\(text)\"")
            case .number(let number): lines.append("PARAMETER \(name) \(number)")
            }
        }
        if let license, !license.contains("\"\"\"") { lines.append("LICENSE \"\"\"\(license)\"\"\"") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The parameters as Ollama stores them.
    package var parametersJSON: JSONValue {
        var members: [JSONValue.Member] = []
        let stops = parameters.compactMap { parameter -> JSONValue? in
            guard parameter.name == "stop", case .text(let text) = parameter.value else { return nil }
            return .string(text)
        }
        if !stops.isEmpty { members.append(.init("stop", .array(stops))) }
        for (name, value) in parameters {
            guard case .number(let number) = value else { continue }
            members.append(.init(name, Int(number).map(JSONValue.integer) ?? .real(Double(number) ?? 0)))
        }
        return .object(members.sorted { $0.name < $1.name })
    }
}
