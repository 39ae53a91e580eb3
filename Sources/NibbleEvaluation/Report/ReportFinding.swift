/// What a comparison comes to: the models by size and divergence, and which of them to take.
struct ReportFinding {
    /// A model that was compared with the base.
    struct Candidate {
        let name: String
        let bytes: Int
        let divergence: Double
        /// Of the divergence: ``ComparisonRow/divergenceInterval``.
        let interval: Interval
        let isOverDocuments: Bool
    }

    /// In the order of the comparison.
    let candidates: [Candidate]

    init(_ rows: [ComparisonRow]) {
        candidates = rows.compactMap { row in
            guard let mean = row.meanDivergence, let interval = row.divergenceInterval else { return nil }
            return Candidate(
                name: row.name, bytes: row.bytes, divergence: mean.value, interval: interval,
                isOverDocuments: row.intervals?.meanDivergence != nil)
        }
    }

    /// Those of which none is smaller or as small and diverges less, from small to large.
    var front: [Candidate] {
        var best = Double.infinity
        var front: [Candidate] = []
        for candidate in candidates.sorted(by: { ($0.bytes, $0.divergence) < ($1.bytes, $1.divergence) })
        where candidate.divergence < best {
            best = candidate.divergence
            front.append(candidate)
        }
        return front
    }

    /// What is left of names without what all begin and end with, from sign to sign: `q4_0` of `gemma.q4_0.gguf`.
    static func short(_ names: [String]) -> [String] {
        guard names.count > 1, let first = names.first else { return names }
        let signs: Set<Character> = [".", "-", "_", "/", " "]
        /// Characters up to the last sign of what all begin with.
        func common(_ names: [String], _ first: String) -> Int {
            let shared = names.reduce(Array(first)) { shared, name in
                zip(shared, name).prefix { $0 == $1 }.map(\.0)
            }
            return shared.lastIndex(where: signs.contains).map { $0 + 1 } ?? 0
        }
        let begin = common(names, first)
        let end = common(names.map { String($0.reversed()) }, String(first.reversed()))
        let rest = names.map { $0.count > begin + end ? String($0.dropFirst(begin).dropLast(end)) : "" }
        return rest.contains("") ? names : rest
    }

    /// The one that diverges least of those that are at most a twentieth larger than the smallest.
    var choice: Candidate? {
        guard let smallest = candidates.map(\.bytes).min() else { return nil }
        return candidates.filter { Double($0.bytes) <= 1.05 * Double(smallest) }.min {
            ($0.divergence, $0.bytes) < ($1.divergence, $1.bytes)
        }
    }

    /// The result in a sentence or two, as markup.
    func sentence(bytes: (Int) -> String) -> String {
        guard let choice else { return "Nothing was compared." }
        let figure = Self.figure
        let range =
            "\(figure(choice.interval.lower)) to \(figure(choice.interval.upper)), "
            + (choice.isOverDocuments ? "95 % interval over documents" : "95 % interval over tokens")
        let others = candidates.filter {
            Double($0.bytes) <= 1.05 * Double(choice.bytes) && $0.name != choice.name
        }
        var text = "<strong>\(Markup.escaped(choice.name))</strong>"
        if let worst = others.max(by: { $0.divergence < $1.divergence }), worst.divergence > choice.divergence
        {
            let less = 1 - choice.divergence / worst.divergence
            text +=
                " loses least of the files of its size, \(Markup.figure(choice.bytes, bytes(choice.bytes))): "
                + "\(figure(choice.divergence)) nats a token of divergence from the unquantized model (\(range)), "
                + "\(Markup.fixed(100 * less, 0)) % less than \(Markup.escaped(worst.name))."
        } else {
            text +=
                ", \(Markup.figure(choice.bytes, bytes(choice.bytes))), diverges from the unquantized model by "
                + "\(figure(choice.divergence)) nats a token (\(range))."
        }
        if let larger = front.first(where: {
            Double($0.bytes) > 1.05 * Double(choice.bytes) && $0.divergence < choice.divergence / 2
        }) {
            text +=
                " A larger file, \(Markup.escaped(larger.name)) of "
                + "\(Markup.figure(larger.bytes, bytes(larger.bytes))), diverges by \(figure(larger.divergence))."
        }
        return text
    }

    private static func figure(_ value: Double) -> String { Markup.figure(value, Markup.significant) }
}
