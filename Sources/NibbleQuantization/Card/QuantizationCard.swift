public import NibbleCheckpoint
internal import NibbleNumerics

/// The card of quantized weights, a README.md as the hub has them: what they were made of and how, what was measured and
/// what was not, how to run them.
///
/// ```swift
/// var card = try QuantizationCard(ModelCheckpoint(path: "gemma.q4_0.gguf"))
/// card.baseModel = "google/gemma-3-270m"
/// print(card.markdown)
/// ```
public struct QuantizationCard: Sendable {
    /// What the weights are called: the name of the file or folder.
    public var name: String
    /// The repository on the hub that was quantized, `owner/name`; nil where it is not known.
    public var baseModel: String?
    /// The license as the hub has it: `gemma`, `apache-2.0`; nil where the checkpoint does not say.
    public var license: String?
    /// A row for each model that was measured, the first its head; empty where nothing was.
    public var figures: [[String]] = []
    /// How the figures were measured.
    public var figuresNote = ""
    /// The recipe of the training run, as YAML; nil where there is none.
    public var recipe: String?

    /// How the folder is run, where `transformers` does not load it; Markdown.
    var howToRun: String?
    /// How the codes were chosen where the provenance does not say; nil where that is not known.
    var unrecordedMaking: String?

    private let languages: [String]
    private let licenseName: String?
    private let licenseLink: String?
    private let architecture: String
    private let parameterCount: Int
    private let byteCount: Int
    /// How much of the weights is stored as what, the largest share first.
    private let formats: [(format: String, share: Double)]
    private let provenance: Provenance?
    private let isFolder: Bool

    /// Reads what a checkpoint says of itself.
    ///
    /// - Throws: `CheckpointError` where its description or provenance is damaged.
    public init(_ model: ModelCheckpoint) throws(CheckpointError) {
        name = FilePath.absoluteName(of: model.path)
        let metadata: GGUFMetadata
        switch model.source {
        case .gguf(let stored), .sbs(let stored):
            metadata = stored
            isFolder = false
        case .hub(let description):
            var notes: [CheckpointNote] = []
            metadata = try description.ggufMetadata(parameterCount: 0, fileType: 0, notes: &notes)
            isFolder = true
        }
        license = try ModelCard.text(metadata, "general.license")
        licenseName = try ModelCard.text(metadata, "general.license.name")
        licenseLink = try ModelCard.text(metadata, "general.license.link")
        languages = try ModelCard.strings(metadata, "general.languages")
        architecture = model.configuration.architecture.rawValue
        let entries = model.tensors.map(\.entry)
        let total = entries.reduce(0) { $0 + $1.elementCount }
        parameterCount = total
        byteCount = entries.reduce(0) { $0 + $1.byteCount }
        var counts: [GGMLType: Int] = [:]
        for entry in entries { counts[entry.type, default: 0] += entry.elementCount }
        formats = counts.sorted { ($0.value, $1.key.rawValue) > ($1.value, $0.key.rawValue) }.map {
            ($0.key.description, Double($0.value) / Double(max(total, 1)))
        }
        provenance = try model.provenance()
    }

    /// The card of a folder that is being written.
    ///
    /// - Parameters:
    ///   - name: the folder's.
    ///   - architecture: the model's.
    ///   - parameterCount, byteCount: elements of the source, and what the folder's tensors take.
    ///   - format: what its matrices are stored as.
    init(
        folder name: String, architecture: String, parameterCount: Int, byteCount: Int, format: String,
        provenance: Provenance?
    ) {
        self.name = name
        self.architecture = architecture
        self.parameterCount = parameterCount
        self.byteCount = byteCount
        formats = [(format, 1)]
        self.provenance = provenance
        isFolder = true
        (languages, licenseName, licenseLink) = ([], nil, nil)
    }

    /// What the card lacks that the hub asks for.
    public var warnings: [String] {
        (baseModel == nil ? ["the card names no base model: give it with --base-model OWNER/NAME"] : [])
            + (license == nil
                ? ["the checkpoint states no license, nor does the card: give it with --license NAME"] : [])
    }

    // MARK: - Front matter

    var isTrained: Bool { (provenance?.steps ?? 0) > 0 }
    var isCalibrated: Bool { !(provenance?.calibration?.methods.isEmpty ?? true) }

    /// What the weights were made toward, else the type that most are stored as.
    private var type: String { provenance?.plan ?? formats.first?.format.lowercased() ?? "" }

    private var frontMatter: String {
        var fields = FrontMatterWriter()
        if let baseModel {
            fields.add("base_model", [baseModel])
            fields.add("base_model_relation", "quantized")
        }
        fields.add("license", license)
        fields.add("license_name", licenseName)
        fields.add("license_link", licenseLink)
        fields.add("language", languages)
        fields.add("library_name", isFolder ? "transformers" : "gguf")
        fields.add("pipeline_tag", "text-generation")
        fields.add(
            "tags",
            (isFolder ? [] : ["gguf"]) + [architecture, "quantized", type] + (isTrained ? ["qat"] : [])
                + (isCalibrated ? ["calibrated"] : []) + ["nibble"])
        if !figures.isEmpty || !(provenance?.perplexities.isEmpty ?? true) {
            fields.add("metrics", ["perplexity"])
        }
        return fields.text ?? ""
    }

    // MARK: - Text

    /// The card.
    public var markdown: String { frontMatter + "\n" + body }

    /// The card without its front matter.
    var body: String {
        let sections = [
            "# \(Self.line(name))", introduction, made, measured, running, unmeasured,
            recipe.map { "## Recipe\n\n```yaml\n\($0.replacingOccurrencesOfFences)\n```" },
        ]
        return sections.compactMap { $0 }.joined(separator: "\n\n") + "\n"
    }

    private var introduction: String {
        let source = baseModel.map { "[\($0)](https://huggingface.co/\($0))" } ?? "the unquantized checkpoint"
        let bits = Double(byteCount * 8) / Double(max(parameterCount, 1))
        let shares = formats.filter { $0.share >= 0.001 }.map {
            $0.share < 1 ? "\($0.format) \(Self.percent($0.share))" : $0.format
        }
        return "\(source) as \(type), \(ByteText.text(byteCount)) of weights, "
            + "\(FixedDecimal.text(bits, digits: 2)) bits a weight (\(shares.joined(separator: ", "))), made with Nibble"
            + (provenance.map { " \(Self.line($0.nibbleVersion))" } ?? "") + "."
    }

    /// The title by which a card of this kind is known.
    static let makingTitle = "## How it was made"

    private var made: String {
        guard let provenance else {
            return Self.makingTitle + "\n\n"
                + (unrecordedMaking ?? "The file does not say how its codes were chosen.")
        }
        var rows = [
            ["", ""], ["made from", "\(provenance.teacherName), sha256 \(provenance.teacherDigest)"],
        ]
        if let calibration = provenance.calibration, isCalibrated {
            for (methods, count) in calibration.counts {
                rows.append([
                    "codes chosen by", "\(methods): \(count == 1 ? "1 matrix" : "\(count) matrices")",
                ])
            }
            if let digest = calibration.textDigest {
                rows.append(["on", "\(calibration.tokens) tokens of a text, sha256 \(digest)"])
            }
        }
        if isTrained {
            rows.append([
                "trained for",
                "\(provenance.steps) steps, \(provenance.tokens) tokens, seed \(provenance.seed)",
            ])
            rows.append(["recipe", "sha256 \(provenance.recipeDigest)"])
            rows.append(["text", "sha256 \(provenance.textDigest)"])
        }
        let how =
            isTrained
            ? "The weights were rounded in every step of training as they are in the file, and learned the probabilities of "
                + "the unquantized checkpoint (quantization-aware training)."
            : "Codes and scales were chosen by what a text says of the weights, without training."
        return Self.makingTitle + "\n\n\(how)\n\n" + Self.table(rows)
    }

    private var measured: String {
        var parts: [String] = []
        if !figures.isEmpty { parts.append(Self.table(figures)) }
        if !figuresNote.isEmpty { parts.append(figuresNote) }
        if let provenance, !provenance.perplexities.isEmpty {
            let names = ["teacher": "unquantized", "rounded": "rounded to nearest"]
            let order = ["teacher", "rounded", "calibrated", "trained"]
            let known = order.filter { provenance.perplexities[$0] != nil }
            let others = provenance.perplexities.keys.filter { !order.contains($0) }.sorted()
            let rows = (known + others).map {
                [names[$0] ?? $0, FixedDecimal.text(provenance.perplexities[$0] ?? .nan, digits: 4)]
            }
            parts.append(
                "On text that was held out from what it was made with:\n\n"
                    + Self.table([["weights", "perplexity"]] + rows))
        }
        return "## What it costs\n\n"
            + (parts.isEmpty ? "Nothing was measured." : parts.joined(separator: "\n\n"))
    }

    private var running: String {
        if let howToRun { return "## How to run it\n\n" + howToRun }
        guard !isFolder else {
            return """
                ## How to run it

                ```python
                from transformers import AutoModelForCausalLM
                model = AutoModelForCausalLM.from_pretrained("\(Self.line(name))")
                ```

                MLX: `mlx_lm.convert --hf-path \(Self.line(name)) -q`; llama.cpp, Ollama and LM Studio run a GGUF file: \
                `nibble convert \(Self.line(name)) -o model.gguf`.
                """
        }
        return """
            ## How to run it

            - llama.cpp: `llama-cli -m \(Self.line(name))`
            - Ollama: `ollama create my-model -f Modelfile`, where the Modelfile says `FROM ./\(Self.line(name))`
            - LM Studio: put the file into its folder of models, `lms import \(Self.line(name))`
            - MLX: `nibble convert \(Self.line(name)) -o folder --format mlx`, which keeps values of Q4_0, Q4_1 and Q8_0
            """
    }

    private var unmeasured: String {
        """
        ## What was not measured

        Answers to tasks and questions, safety, languages and kinds of text that are not named above, contexts that are longer \
        than those named, and speed.
        """
    }

    // MARK: - Markdown

    /// A table whose first row is its head.
    private static func table(_ rows: [[String]]) -> String {
        let lines = rows.map { row in
            "| "
                + row.map { line($0).split(separator: "|").joined(separator: "\\|") }.joined(separator: " | ")
                + " |"
        }
        let rule = "|" + String(repeating: "---|", count: rows[0].count)
        return (lines.prefix(1) + [rule] + lines.dropFirst()).joined(separator: "\n")
    }

    /// Text on one line that Markdown takes for nothing else.
    static func line(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n", "\r", "`": result += " "
            case "<": result += "&lt;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func percent(_ share: Double) -> String {
        FixedDecimal.text(100 * share, digits: 1) + " %"
    }
}

extension String {
    /// Without fences, which would end the one that it stands in.
    fileprivate var replacingOccurrencesOfFences: String {
        split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("```") }.joined(
            separator: "\n")
    }
}
