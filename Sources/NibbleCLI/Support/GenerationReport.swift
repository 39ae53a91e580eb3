internal import Nibble

/// What a generation took.
struct GenerationReport {
    private let result: TextGenerator.Result
    private let options: SamplingOptions

    init(_ result: TextGenerator.Result, _ options: SamplingOptions) {
        self.result = result
        self.options = options
    }

    var text: String {
        let seconds = result.time / .seconds(1)
        // The first token comes with the prompt.
        let steps = max(result.tokens.count - 1, 0)
        let rate = seconds > 0 ? Text.fixed(Double(steps) / seconds, 1) : "-"
        let ending =
            switch result.reason {
            case .end: "ended by the model"
            case .length: "as many as asked for or as the context holds"
            case .stopped: "stopped"
            }
        return "\(result.promptTokens) tokens read in \(Text.time(result.promptTime / .seconds(1))), "
            + "\(result.tokens.count) written at \(rate) tokens/s (\(ending)); seed \(options.seed)"
    }
}
