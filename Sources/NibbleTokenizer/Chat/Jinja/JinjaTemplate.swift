/// A template in the language of Jinja, as chat templates are written in it.
///
/// Read and run as `transformers` does (chat_template_utils.py: `trim_blocks`, `lstrip_blocks`, `break` and `continue`,
/// `{% generation %}`, `raise_exception`, `strftime_now`). Not known: inheritance, imports, recursive loops, `%` with
/// strings, and filters for HTML. A template runs in bounds of steps, depth and size, since it comes with a model from
/// anywhere.
package struct JinjaTemplate: Sendable {
    private let statements: [JinjaStatement]

    /// Parses a template.
    package init(_ source: String) throws(JinjaError) { statements = try JinjaParser.statements(source) }

    /// What a template printed.
    package struct Output: Sendable, Equatable {
        /// The text in UTF-8.
        package var bytes: [UInt8]
        /// The bytes that `{% generation %}` marks, ascending.
        package var generated: [Range<Int>]
        /// The text.
        package var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// Runs it.
    ///
    /// - Parameter date: what `strftime_now` writes.
    package func render(_ variables: [JinjaValue.Member], date: ChatDate) throws(JinjaError) -> Output {
        let run = JinjaRun()
        try run.run(statements, variables + [.init("strftime_now", JinjaFunctions.clock(date))])
        return Output(bytes: run.output, generated: run.generated)
    }
}
