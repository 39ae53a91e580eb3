internal import Nibble

/// The figures of a comparison's JSON, as a card shows them.
struct CardFigures {
    private var rows = [["model", "size", "perplexity", "mean KL divergence", "95 % interval", "same top"]]
    private var note = ""

    /// - Throws: ``CheckpointError`` where the file is no comparison.
    init(path: String) throws(CheckpointError) {
        let document = try JSONParser.parse(path: path)
        for part in document["contexts"]?.elements ?? [document] {
            guard let models = part["models"]?.elements, let context = part["context"]?.integer,
                let texts = part["texts"]?.elements?.compactMap(\.text), !models.isEmpty
            else {
                throw CheckpointError(
                    .malformed, path: path, "is no comparison",
                    advice: "name what nibble compare --report or --json wrote")
            }
            for model in models { rows.append(Self.cells(model)) }
            let names = texts.map { FilePath.name(of: $0) }.joined(separator: ", ")
            let documents = part["documents"]?.integer ?? 0
            note +=
                (note.isEmpty ? "" : " ")
                + "\(context) tokens of context: \(names), \(documents) documents, measured as "
                + "llama-perplexity does."
        }
    }

    private static func cells(_ model: JSONValue) -> [String] {
        func figure(_ value: JSONValue?, _ digits: Int) -> String {
            value?["value"]?.real.map { Text.fixed($0, digits) } ?? ""
        }
        let interval = model["kl_divergence_interval"]?.elements?.compactMap(\.real) ?? []
        let divergence = model["kl_divergence"]?["value"]?.real
        return [
            model["name"]?.text ?? "", model["bytes"]?.integer.map { Text.bytes($0) } ?? "",
            figure(model["perplexity"], 3), divergence.map { Text.fixed($0, 4) } ?? "",
            divergence != nil && interval.count == 2
                ? "\(Text.fixed(interval[0], 4)) to \(Text.fixed(interval[1], 4))" : "",
            model["same_top"]?["value"]?.real.map { Text.fixed(100 * $0, 1) + " %" } ?? "",
        ]
    }

    func add(to card: inout QuantizationCard) {
        card.figures = rows
        card.figuresNote = note
    }
}
