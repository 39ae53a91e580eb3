import NibbleCheckpoint
import NibbleEvaluation
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport

/// A GGUF file of `hub`.
func hubFile(_ name: String) -> String { Fixtures.path("hub/\(name).expected.gguf") }

/// A text of `texts`.
func textFile(_ name: String) -> String { Fixtures.path("texts/\(name).txt") }

/// A request for small contexts.
func request(
    _ models: [String], texts: [String] = [textFile("english")], context: Int = 32,
    precision: Precision = .automatic, threads: Int = 2
) -> EvaluationRequest {
    var request = EvaluationRequest(models: models, texts: texts, threads: threads)
    request.context = context
    request.precision = precision
    return request
}

/// Evaluates as asked.
func evaluate(_ request: EvaluationRequest) throws -> Evaluation { try Evaluator(request).run() }

/// Converts a file and returns the path of the result in `folder`.
func convert(
    _ input: String, _ type: QuantizationType, isPure: Bool = false, in folder: TemporaryFolder
) throws -> String {
    let output = folder.file("\(type.rawValue).gguf")
    var plan = QuantizationPlan(type)
    plan.isPure = isPure
    var request = ConversionRequest(input: input, output: output, plan: plan, threads: 2)
    request.replacesOutput = true
    // As llama-quantize does, whose files recorded figures are of.
    request.keepsLattices = false
    try Converter(request).run()
    return output
}

/// Whether a value is within a share of what was expected.
func isNear(_ value: Double, _ expected: Double, within share: Double) -> Bool {
    abs(value - expected) <= share * abs(expected)
}
