internal import NibbleCheckpoint
internal import NibbleNumerics

/// The README.md of a folder of quantized weights: the front matter of the source's card as it is, since converters take
/// from it what they know of the model, then the card of the quantized weights, then what the source's card says.
struct FolderCard {
    private let card: QuantizationCard

    /// The title above what the source's card says.
    static let sourceTitle = "## The card of the unquantized model"

    /// Nil where the folder holds no quantized weights: plain numbers that nothing was chosen for.
    init?(
        _ tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        provenance: Provenance?
    ) {
        let type = request.plan.type
        var card = QuantizationCard(
            folder: FilePath.absoluteName(of: request.output),
            architecture: model.configuration.architecture.rawValue,
            parameterCount: model.tensors.reduce(0) { $0 + $1.entry.elementCount },
            byteCount: tensors.reduce(0) { $0 + $1.byteCount }, format: type.rawValue,
            provenance: provenance)
        guard card.isTrained || card.isCalibrated || type.format.isQuantized else { return nil }
        card.howToRun = request.exporter.howToRun(QuantizationCard.line(card.name))
        card.unrecordedMaking =
            "Weights were rounded to the nearest values that their blocks can hold"
            + (request.importance == nil ? "" : ", weighted by an importance matrix")
            + (request.ditherSeed == nil ? "" : ", after they were dithered")
            + ", from \(FilePath.name(of: model.path)), without training."
        self.card = card
    }

    /// Puts the card into a folder's files.
    func add(to files: inout [HubFile]) {
        let place = files.firstIndex { $0.name == "README.md" }
        let (front, text) = Self.parts(
            place.map { String(decoding: files[$0].contents, as: UTF8.self) } ?? "")
        let whole = [front, card.body, text].filter { !$0.isEmpty }.joined(separator: "\n")
        let file = HubFile(name: "README.md", contents: Array(whole.utf8))
        if let place { files[place] = file } else { files.append(file) }
    }

    /// The front matter of a card, and what it says of the unquantized model under its title. Of a card that was written here
    /// before, only that is kept.
    private static func parts(_ card: String) -> (front: String, text: String) {
        let (lines, after) = FrontMatter.parts(card)
        let front = lines.isEmpty ? "" : (["---"] + lines + ["---"]).joined(separator: "\n") + "\n"
        var rest = after
        if let place = rest.firstIndex(where: { $0 == sourceTitle }) {
            rest = rest[(place + 1)...]
        } else if rest.contains(where: { $0 == QuantizationCard.makingTitle }) {
            rest = []
        }
        rest = rest.drop { $0.allSatisfy(\.isWhitespace) }
        while rest.last?.allSatisfy(\.isWhitespace) ?? false { rest.removeLast() }
        return (front, rest.isEmpty ? "" : sourceTitle + "\n\n" + rest.joined(separator: "\n") + "\n")
    }
}
