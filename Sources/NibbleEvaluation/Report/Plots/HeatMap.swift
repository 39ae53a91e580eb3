internal import NibbleCheckpoint
internal import NibbleModel

/// Relative errors of matrices as SVG: a row for each kind of matrix, a column for each block.
struct HeatMap {
    private let errors: [WeightError]
    private let model: String

    init(_ errors: [WeightError], model: String) {
        self.errors = errors.filter { $0.relative.isFinite }
        self.model = model
    }

    private static let left = 104.0
    private static let height = 24.0

    /// The picture, with the largest error as its scale.
    var svg: String {
        let layers = (errors.compactMap(\.role.layer).max() ?? -1) + 1
        let largest = errors.map(\.relative).max() ?? 0
        guard layers > 0, largest > 0 else { return "<p>No matrix of a block differs.</p>" }
        let width = (Plot.width - Self.left - 8) / Double(layers)
        var parts: [String] = []
        let kinds = Sublayer.inputGroups.flatMap(\.kinds)
        for (row, kind) in kinds.enumerated() {
            let own = errors.filter { $0.role.kind == kind }
            // `attn_q` of `blk.0.attn_q.weight`.
            let name = own.first.map {
                $0.name.split(separator: ".").dropLast().last.map(String.init) ?? $0.name
            }
            let y = Self.height * Double(row)
            parts.append(
                "<text class=\"label\" x=\"\(Markup.fixed(Self.left - 8, 1))\" y=\"\(Markup.fixed(y + 16, 1))\" "
                    + "text-anchor=\"end\">\(Markup.escaped(name ?? ""))</text>")
            for error in own {
                guard let layer = error.role.layer else { continue }
                parts.append(
                    "<rect class=\"cell\" x=\"\(Markup.fixed(Self.left + width * Double(layer), 2))\" y=\"\(Markup.fixed(y, 1))\" "
                        + "width=\"\(Markup.fixed(width, 2))\" height=\"\(Markup.fixed(Self.height, 1))\" "
                        + "fill-opacity=\"\(Markup.fixed(error.relative / largest, 3))\"><title>\(Markup.escaped(error.name)): "
                        + "\(Markup.significant(100 * error.relative)) %</title></rect>")
            }
        }
        let bottom = Self.height * Double(kinds.count)
        let step = max(1, (layers + 9) / 10)
        for layer in stride(from: 0, to: layers, by: step) {
            parts.append(
                "<text class=\"tick\" x=\"\(Markup.fixed(Self.left + width * (Double(layer) + 0.5), 1))\" "
                    + "y=\"\(Markup.fixed(bottom + 18, 1))\" text-anchor=\"middle\">\(layer)</text>")
        }
        let label = "Relative error of the matrices of \(layers) blocks of \(model)"
        return """
            <svg viewBox="0 0 \(Int(Plot.width)) \(Int(bottom + 26))" role="img" aria-label="\(Markup.escaped(label))">
            \(parts.joined(separator: "\n"))
            </svg>
            """
    }

    /// What the picture's scale is, and what lies outside of blocks.
    var caption: String {
        let largest = errors.map(\.relative).max() ?? 0
        let outside = errors.filter { $0.role.layer == nil }.map { error in
            "\(Markup.escaped(error.name)) \(Markup.figure(error.relative) { Markup.significant(100 * $0) }) %"
        }
        return
            "From 0 to \(Markup.figure(largest) { Markup.significant(100 * $0) }) % of the matrix; by block; "
            + outside.joined(separator: ", ") + "."
    }
}
