package import NibbleQuantization

extension ConversionRequest {
    /// A request with the exporter that the command line would take for the path and the type.
    package init(input: String, output: String, plan: QuantizationPlan, threads: Int) {
        self.init(
            input: input, output: output,
            exporter: CheckpointExporters.guess(output: output, type: plan.type), plan: plan,
            threads: threads)
    }
}
