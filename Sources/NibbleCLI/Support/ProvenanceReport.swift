internal import Nibble

/// How weights were trained, as text and as JSON.
struct ProvenanceReport {
    private let provenance: Provenance

    init(_ provenance: Provenance) { self.provenance = provenance }

    private var perplexities: [(key: String, value: Double)] {
        provenance.perplexities.sorted { $0.key < $1.key }
    }

    /// A table of facts.
    var text: String {
        var facts = [
            ["trained toward", "\(provenance.teacherName) (sha256 \(provenance.teacherDigest))"],
            ["to be stored as", provenance.plan],
            [
                "for",
                "\(provenance.steps) steps, \(Text.count(provenance.tokens)) tokens, seed \(provenance.seed)",
            ],
            ["by", "nibble \(provenance.nibbleVersion), recipe sha256 \(provenance.recipeDigest)"],
            ["from a text of", "sha256 \(provenance.textDigest)"],
        ]
        if !perplexities.isEmpty {
            let values = perplexities.map { "\($0.key) \(Self.rounded($0.value))" }.joined(separator: ", ")
            facts.append(["perplexity", values])
        }
        if let digest = provenance.heldOutTextDigest { facts.append(["on a text of", "sha256 \(digest)"]) }
        if let calibration = provenance.calibration {
            for (methods, count) in calibration.counts {
                facts.append(["rounded by", "\(methods): \(count == 1 ? "1 matrix" : "\(count) matrices")"])
            }
            if let digest = calibration.textDigest {
                facts.append(["on", "\(Text.count(calibration.tokens)) tokens of sha256 \(digest)"])
            }
        }
        return Text.table(facts)
    }

    /// Four digits after the point.
    private static func rounded(_ value: Double) -> String {
        value.magnitude < 1e9 ? "\((value * 10_000).rounded() / 10_000)" : "\(value)"
    }

    /// Names as in the metadata.
    var json: JSONValue {
        .members([
            "teacher": .members([
                "name": .string(provenance.teacherName), "sha256": .string(provenance.teacherDigest),
            ]),
            "plan": .string(provenance.plan),
            "recipe_sha256": .string(provenance.recipeDigest),
            "text_sha256": .string(provenance.textDigest),
            "steps": .integer(provenance.steps),
            "tokens": .integer(provenance.tokens),
            "seed": .number(String(provenance.seed)),
            "nibble_version": .string(provenance.nibbleVersion),
            // JSON has no NaN and no infinity; they become strings.
            "perplexity": .object(
                perplexities.map {
                    .init($0.key, $0.value.isFinite ? .real($0.value) : .string("\($0.value)"))
                }),
            "held_out_sha256": provenance.heldOutTextDigest.map { .string($0) } ?? .null,
            "calibration": provenance.calibration.map(Self.json) ?? .null,
        ])
    }

    private static func json(_ calibration: Provenance.Calibration) -> JSONValue {
        .members([
            "tokens": .integer(calibration.tokens),
            "text_sha256": calibration.textDigest.map { .string($0) } ?? .null,
            "methods": .object(calibration.methods.map { .init($0.tensor, .string($0.methods)) }),
        ])
    }
}
