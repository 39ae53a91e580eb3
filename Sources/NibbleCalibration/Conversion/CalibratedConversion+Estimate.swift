internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

extension CalibratedConversion {
    /// What it will take, without reading the text. Measures what this machine does in a second first, which takes some.
    public func estimate() -> CalibrationEstimate {
        let plan = plan
        let (length, shape) = (request.sequenceLength, reference.configuration)
        let work = CalibrationWork(
            options: request.decidedOptions, matrices: matrices, plan: plan, shape: shape,
            tokens: request.options.sequences * length, heldOut: request.heldOutCount * length,
            candidates: candidates.count,
            rates: CalibrationRates(
                measuring: reference.compute, format: request.conversion.plan.type.format))
        let steps = calibrator(matrices, plan).steps(measures: request.heldOutCount > 0)
        return CalibrationEstimate(
            arithmetic: reference.compute.arithmetic, space: CalibrationSpace(plan),
            freeBytes: FilePath.freeBytes(FilePath.folder(of: scratchPath)),
            seconds: steps.reduce(0) { $0 + work.seconds($1) })
    }
}
