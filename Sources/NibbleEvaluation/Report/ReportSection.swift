/// A heading of a page and what is below it: what one page takes from another.
public struct ReportSection: Sendable {
    private let title: String
    private let body: String

    /// - Parameter body: HTML.
    package init(_ title: String, _ body: String) {
        self.title = title
        self.body = body
    }

    /// Sections as parts of one.
    public init(_ title: String, parts: [ReportSection]) {
        self.init(
            title,
            parts.map { "<h3>\(Markup.escaped($0.title))</h3>\n\($0.body)" }.joined(separator: "\n"))
    }

    package var html: String { "<section><h2>\(Markup.escaped(title))</h2>\n\(body)</section>" }
}
