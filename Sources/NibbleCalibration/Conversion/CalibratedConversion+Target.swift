internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization

extension CalibratedConversion {
    /// The types whose costs are measured; none where the plan decides.
    var candidates: [GGMLType] { request.target == nil ? [] : SizeBudget.candidates }

    /// Chooses the types of all matrices for the size that is asked for.
    func choose(
        _ text: CalibrationText, _ scratch: CalibrationScratch, _ plan: CalibrationPlan,
        _ progress: (PreparationProgress) -> Void, _ isCancelled: () -> Bool
    ) throws(CheckpointError) -> (converter: Converter, matrices: QuantizedMatrices) {
        guard let target = request.target else { preconditionFailure("no size is asked for") }
        let costs = try calibrator(matrices, plan).survey(
            text.sequences, heldOut: text.heldOut, scratch: scratch, progress: progress,
            isCancelled: isCancelled)
        let byName = Dictionary(costs.map { ($0.name, $0.costs) }) { first, _ in first }
        let tensors = (matrices[0].calibrated + matrices[0].vocabulary).filter {
            byName[$0.name]?.isEmpty == false
        }
        let options = tensors.map { tensor in
            (byName[tensor.name] ?? [:]).compactMap { type, cost in
                SizeBudget.bytes(tensor, type).map {
                    TypeChoice.Option(type: type, bytes: $0, cost: cost)
                }
            }
        }
        let own = tensors.reduce(0) { $0 + EncodedRowsFile.byteCount($1) }
        var bytes = SizeBudget(target, converters[0]).bytes(insteadOf: own)
        while true {
            let choice = TypeChoice(options, budget: bytes)
            let types = zip(tensors, choice.chosen).map { ($0, $1.type) }
            let converter = try converter(types)
            let excess = SizeBudget(target, converter).excess
            guard excess > 0, choice.bytes > choice.range.lowerBound else {
                return (
                    converter, QuantizedMatrices(calibrating: converter.plan, weights: matrices[0].weights)
                )
            }
            // Padding between tensors.
            bytes = choice.bytes - excess
        }
    }

    /// The conversion to some types.
    private func converter(
        _ types: [(tensor: PlannedTensor, type: GGMLType)]
    ) throws(CheckpointError) -> Converter {
        var weights: [GGMLType: Int] = [:]
        for (tensor, type) in types { weights[type, default: 0] += tensor.rows * tensor.columns }
        // The whole is called by what most weights are; ties go to the smaller number.
        let most = weights.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key
        let whole = QuantizationType.allCases.first { $0.format == most.map { .ggml($0) } }
        var conversion = converters[0].request
        conversion.plan = QuantizationPlan(whole ?? conversion.plan.type)
        conversion.plan.file = PlanFile(
            path: request.chosenPlanPath, type: conversion.plan.type,
            types: types.map { ($0.tensor.name, $0.type) })
        return try Converter(conversion, source: converters[0].model)
    }
}

extension CalibrationRequest {
    /// Where the plan file goes whose types were chosen.
    var chosenPlanPath: String { planPath ?? conversion.output + ".plan" }

    /// The request, where types are chosen for a size that of a conversion whose plan says nothing of them.
    ///
    /// - Throws: `CheckpointError` where they cannot be chosen.
    func ofTarget() throws(CheckpointError) -> CalibrationRequest {
        guard let target else { return self }
        func refusal(_ problem: String, _ advice: String) -> CheckpointError {
            CheckpointError(.invalidRequest, path: conversion.output, problem, advice: advice)
        }
        guard conversions.count == 1, conversion.exporter.fileEnding != nil else {
            throw refusal(
                "a size of \(target) is for one GGUF file", "name an output that ends in .gguf")
        }
        guard decidedOptions.differentiates else {
            throw refusal(
                "what types cost is known by the gradients of guidedquant alone", "leave --method out")
        }
        var request = self
        request.conversions[0].plan = QuantizationPlan(.q8_0)
        request.conversions[0].plan.isPure = true
        return request
    }
}
