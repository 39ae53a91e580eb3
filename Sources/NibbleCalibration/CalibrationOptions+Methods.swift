/// Options by the methods that they stand for.
extension CalibrationOptions {
    /// What is asked for, in the order in which it runs.
    public var methods: [CalibrationResult.Method] {
        let searches: [CalibrationResult.Method] = scales == .importance ? [.importance] : []
        guard method != .nearest else { return searches + [.nearest] }
        return (tokenWeights == .gradient ? [.guidedQuant] : []) + (gptaq > 0 ? [.gptaq] : []) + searches
            + [.gptq] + (tokenWeights == .gradient && yaqa ? [.yaqa] : [])
            + (coordinateDescent ? [.coordinateDescent] : [])
    }

    /// Whether gradients are asked for.
    var differentiates: Bool { method != .nearest && tokenWeights == .gradient }
    /// Whether inputs of the quantized model are compared with those of the unquantized one.
    var comparesInputs: Bool { method != .nearest && gptaq > 0 }

    /// The defaults with the methods of `names`: `all`, or some of ``CalibrationResult/Method`` with `+` between them, as
    /// the summary and the exported file have them.
    ///
    /// `gptq` alone is GPTQ, `importance` alone each weight to the nearest code of a scale that weighs columns.
    ///
    /// - Throws: ``MethodProblem`` where a name is unknown, or a method needs another.
    public init(methods names: String) throws(MethodProblem) {
        self.init()
        method = .gptq
        if names == "all" { return }
        var asked: Set<CalibrationResult.Method> = []
        for name in names.split(separator: "+", omittingEmptySubsequences: false) {
            guard let method = CalibrationResult.Method(rawValue: String(name)) else {
                throw MethodProblem(
                    "'\(name)' is no method; there are all, "
                        + CalibrationResult.Method.allCases.map(\.rawValue).joined(separator: ", "))
            }
            asked.insert(method)
        }
        let needy = asked.subtracting([.gptq, .nearest, .importance])
        if let one = needy.min(by: { $0.rawValue < $1.rawValue }), !asked.contains(.gptq) {
            throw MethodProblem("\(one.rawValue) is for gptq, which is missing: gptq+\(one.rawValue)")
        }
        if asked.contains(.gptq), asked.contains(.nearest) {
            throw MethodProblem("gptq and nearest exclude each other")
        }
        if asked.contains(.yaqa), !asked.contains(.guidedQuant) {
            throw MethodProblem("yaqa needs the gradients of guidedquant: guidedquant+gptq+yaqa")
        }
        if !asked.contains(.gptq) { method = .nearest }
        scales = asked.contains(.importance) ? .importance : .codec
        tokenWeights = asked.contains(.guidedQuant) ? .gradient : .equal
        if !asked.contains(.gptaq) { gptaq = 0 }
        yaqa = asked.contains(.yaqa)
        coordinateDescent = asked.contains(.coordinateDescent)
    }

    /// Why names of methods stand for no options.
    public struct MethodProblem: Error, Sendable, Equatable, CustomStringConvertible {
        /// In words.
        public let description: String

        init(_ description: String) { self.description = description }
    }
}
