/// Why a template cannot be read or run.
package struct JinjaError: Error, Sendable, Equatable {
    /// Line of the template, counted from 1; nil where it is not known yet.
    package var line: Int?
    /// What is wrong.
    package var problem: String
    /// Whether the template itself refuses what it was given, by `raise_exception`.
    package var isRaised = false

    init(_ line: Int, _ problem: String) { (self.line, self.problem) = (line, problem) }

    init(_ problem: String) { self.problem = problem }

    /// The same with a line, where it has none.
    func on(_ line: Int) -> JinjaError {
        var error = self
        error.line = self.line ?? line
        return error
    }
}
