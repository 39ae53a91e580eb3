internal import Foundation
internal import Nibble

/// Numbers as people read them, and tables.
enum Text {
    /// `14.1 GB`, `543 MB`, `96 B`: powers of 1000, as disks and downloads count.
    static func bytes(_ count: Int) -> String { ByteText.text(count) }

    /// `268 M`, `4.3 G`: numbers of parameters.
    static func count(_ count: Int) -> String {
        var value = Double(count)
        var unit = ""
        for larger in [" k", " M", " G", " T"] where value >= 1000 {
            value /= 1000
            unit = larger
        }
        return unit.isEmpty
            ? "\(count)" : String(format: value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value) + unit
    }

    /// `32,768`: numbers of tokens where each one counts.
    static func grouped(_ count: Int) -> String {
        var text = ""
        for (place, digit) in String(count).reversed().enumerated() {
            if place > 0, place.isMultiple(of: 3), digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// `0.31 s`, `2 min 05 s`, `1 h 20 min`.
    static func time(_ seconds: Double) -> String {
        if seconds < 10 { return String(format: "%.2f s", seconds) }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
        return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60)
    }

    /// `7.01`
    static func bits(_ value: Double) -> String { String(format: "%.2f", value) }

    /// `26.5309 ± 1.2034`
    static func plusMinus(_ estimate: Estimate, _ digits: Int) -> String {
        "\(fixed(estimate.value, digits)) ± \(fixed(estimate.error, digits))"
    }

    /// A number with a fixed number of digits after the point.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        FixedDecimal.text(value, digits: digits)
    }

    /// Values as a line of bars, the newest at the right; each is the mean of several where there are more than `width`. What
    /// is no number is a gap.
    static func sparkline(_ values: [Double], width: Int = 40) -> String {
        let count = min(values.count, width)
        guard count > 0 else { return "" }
        let means = (0..<count).map { place -> Double in
            let part = values[place * values.count / count..<(place + 1) * values.count / count]
            return part.reduce(0, +) / Double(part.count)
        }
        let finite = means.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else {
            return String(repeating: " ", count: count)
        }
        let bars = Array("▁▂▃▄▅▆▇█")
        return String(
            means.map { mean in
                guard mean.isFinite else { return " " }
                return high > low ? bars[min(Int((mean - low) / (high - low) * 8), 7)] : bars[3]
            })
    }

    /// `1.0e-05`: learning rates.
    static func scientific(_ value: Double) -> String { String(format: "%.1e", value) }

    /// Rows in columns as wide as their widest cell; the columns in `right` aligned at the right.
    static func table(_ rows: [[String]], right: Set<Int> = []) -> String {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return right.contains(column) ? padding + cell : cell + padding
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }

    /// The same rows as a Markdown table, the first one its head.
    static func markdown(_ rows: [[String]], right: Set<Int> = []) -> String {
        let lines = rows.map { row in
            "| " + row.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |"
        }
        let rule = (0..<(rows.first?.count ?? 0)).map { right.contains($0) ? "---:" : "---" }
        return (lines.prefix(1) + ["| " + rule.joined(separator: " | ") + " |"] + lines.dropFirst())
            .joined(separator: "\n")
    }
}
