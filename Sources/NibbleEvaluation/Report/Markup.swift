internal import CLibrary
internal import NibbleCheckpoint

/// Pieces of a page, escaped.
package enum Markup {
    /// Text, as HTML and SVG have it between tags and in attributes with quotes.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            // Controls that no page may hold.
            case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A figure with the value that it is rounded from, which the JSON beside the page has as well.
    package static func figure(_ value: Double?, _ text: (Double) -> String) -> String {
        guard let value, value.isFinite else { return "" }
        return "<data value=\"\(value)\">\(escaped(text(value)))</data>"
    }

    /// A whole number with its value.
    package static func figure(_ value: Int, _ text: String) -> String {
        "<data value=\"\(value)\">\(escaped(text))</data>"
    }

    /// A table whose first column names the rows; cells are markup.
    static func table(_ head: [String], _ rows: [[String]], caption: String) -> String {
        let names = head.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let body = rows.map { row in
            "<tr><th scope=\"row\">\(row[0])</th>" + row.dropFirst().map { "<td>\($0)</td>" }.joined()
                + "</tr>"
        }
        return """
            <div class="scroll" tabindex="0" role="region" aria-label="\(escaped(caption))"><table>
            <thead><tr>\(names)</tr></thead>
            <tbody>\(body.joined(separator: "\n"))</tbody>
            </table></div>
            """
    }

    /// `0.0451`: `digits` of them behind the point.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        FixedDecimal.text(value, digits: digits)
    }

    /// Three digits that say something: `0.00451`, `12.3`, `123`.
    package static func significant(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return "0" }
        let magnitude = Int(log10(abs(value)).rounded(.down))
        return fixed(value, min(max(2 - magnitude, 0), 9))
    }
}
