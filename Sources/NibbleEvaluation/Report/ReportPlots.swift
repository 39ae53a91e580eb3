internal import NibbleCheckpoint

/// The pictures of a report.
struct ReportPlots {
    private let evaluation: Evaluation
    private let rows: [ComparisonRow]
    private let finding: ReportFinding
    /// The models that plots with one line a model show, by their place: at most ``lineLimit``.
    let shown: [Int]

    /// Lines that can be told apart.
    static let lineLimit = 6
    /// Models of which all have their names in the picture of sizes.
    private static let labelLimit = 12

    init(_ evaluation: Evaluation, _ rows: [ComparisonRow], _ finding: ReportFinding) {
        self.evaluation = evaluation
        self.rows = rows
        self.finding = finding
        shown = Self.featured(rows, finding)
    }

    /// At most ``lineLimit`` of the models that were compared, those of the front before others.
    static func featured(_ rows: [ComparisonRow], _ finding: ReportFinding) -> [Int] {
        let compared = rows.indices.filter { rows[$0].meanDivergence != nil }
        let front = Set(finding.front.map(\.name))
        let first = compared.filter { front.contains(rows[$0].name) }
        let others = compared.filter { !front.contains(rows[$0].name) }
        return Array((first + others).prefix(lineLimit)).sorted()
    }

    /// Which line is which model.
    var legend: String {
        let items = shown.enumerated().map { place, model in
            "<li><span class=\"swatch s\(place)\" aria-hidden=\"true\"></span>\(Markup.escaped(rows[model].name))</li>"
        }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    /// Divergence against size.
    var sizes: String {
        let candidates = finding.candidates
        let (unit, factor) = (candidates.map(\.bytes).max() ?? 0) >= 1_000_000_000 ? ("GB", 1e9) : ("MB", 1e6)
        let x = Axis(
            linear: candidates.map { Double($0.bytes) / factor }, title: "size of the weights in \(unit)")
        let y = Axis(
            logarithmic: candidates.flatMap { [$0.divergence, $0.interval.lower, $0.interval.upper] },
            title: "divergence in nats a token")
        let front = finding.front
        var plot = Plot(
            x: x, y: y,
            summary: "Divergence against size of \(candidates.count) models; on the front are "
                + front.map(\.name).joined(separator: ", "))
        plot.steps(front.map { (Double($0.bytes) / factor, $0.divergence) }, style: "front")
        let names = Set(front.map(\.name))
        // Those of the front last, to lie above the others.
        let ordered = candidates.filter { !names.contains($0.name) } + front
        let columns = ordered.map { plot.point(Double($0.bytes) / factor, $0.divergence).x }
        let isCrowded = candidates.count > Self.labelLimit
        var shifts: [(half: Double, own: Double)] = []
        for (index, candidate) in ordered.enumerated() {
            // Bars of the same size stand side by side, and their names beside the last.
            let group = columns.indices.filter { abs(columns[$0] - columns[index]) < 4 }
            let rank = Double(group.firstIndex(of: index) ?? 0)
            let half = isCrowded ? 0 : 9 * Double(group.count - 1) / 2
            let shift = isCrowded ? 0 : 9 * rank - half
            shifts.append((half, shift))
            plot.mark(
                Double(candidate.bytes) / factor, candidate.divergence, low: candidate.interval.lower,
                high: candidate.interval.upper, style: names.contains(candidate.name) ? "best" : "other",
                title: "\(candidate.name): \(ByteText.text(candidate.bytes)), "
                    + "\(Markup.significant(candidate.divergence)) nats",
                shift: shift)
        }
        let short = ReportFinding.short(ordered.map(\.name))
        // Those of the front first, where there is room for all.
        for index in ordered.indices.reversed() where !isCrowded || names.contains(ordered[index].name) {
            plot.label(
                Double(ordered[index].bytes) / factor, ordered[index].divergence, short[index],
                shift: shifts[index].half,
                // Beside others of its size the words have to be on its own side.
                isLeft: shifts[index].half > 0 ? shifts[index].own < 0 : nil)
        }
        return plot.svg
    }

    /// How many tokens diverge by more than so much.
    var distribution: String {
        let percentiles = shown.map { rows[$0].percentiles }
        let shares: [Float] = [
            0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999,
        ]
        let curves = percentiles.map { own in
            shares.compactMap { share -> (x: Double, y: Double)? in
                guard let value = own?.value(at: share), value > 1e-6 else { return nil }
                return (value, 100 * Double(1 - share))
            }
        }
        let all = curves.flatMap { $0 }
        var plot = Plot(
            x: Axis(logarithmic: all.map(\.x), title: "divergence of a token in nats"),
            y: Axis(logarithmic: all.map(\.y), title: "tokens that diverge more, in %"),
            summary: "Share of tokens that diverge by more than so much, for \(shown.count) models")
        for (place, curve) in curves.enumerated() {
            plot.line(curve, style: "line s\(place)")
            guard let own = percentiles[place] else { continue }
            for (share, name) in [(Float(0.5), "median"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")] {
                plot.mark(
                    own.value(at: share), 100 * Double(1 - share), low: nil, high: nil, style: "s\(place)",
                    title:
                        "\(rows[shown[place]].name), \(name): \(Markup.significant(own.value(at: share))) nats"
                )
            }
        }
        return plot.svg
    }

    /// Divergence by the place of a token in its chunk, of texts that are cut in chunks; nil where all are conversations.
    var positions: String? {
        let texts = evaluation.texts.filter { !$0.isConversations }
        guard !texts.isEmpty else { return nil }
        let context = evaluation.texts[0].context
        let count = PositionDivergence.binCount
        let curves = shown.map { model in
            texts.reduce(into: PositionDivergence()) { $0.merge($1.positions[model]) }.means
        }
        // Without a stride the second half of a chunk is scored.
        let first = evaluation.texts[0].stride.map { context - $0 } ?? context / 2
        let middles = (0..<count).map {
            Double(first) + Double(context - first) * (Double($0) + 0.5) / Double(count)
        }
        var plot = Plot(
            x: Axis(linear: [Double(first), Double(context)], title: "tokens before it in the chunk"),
            y: Axis(
                linear: curves.flatMap { $0.compactMap { $0 } }, title: "divergence in nats a token",
                fromZero: true),
            summary: "Mean divergence by the position of a token in its chunk of \(context)")
        for (place, curve) in curves.enumerated() {
            let points = zip(middles, curve).compactMap { x, y in y.map { (x: x, y: $0) } }
            plot.line(points, style: "line s\(place)")
        }
        return plot.svg
    }
}
