public import NibbleCheckpoint
public import NibbleEvaluation
internal import NibbleQuantization
internal import NibbleTensor

/// The memory and the scratch space of a calibrated conversion, known from shapes.
public struct CalibrationSpace: Sendable, Equatable {
    /// Most memory that is held at a time, without mapped files, in bytes.
    public var memoryBytes: Int
    /// Bytes of the scratch files.
    public var scratchBytes: Int
    /// Where memory makes steps of the method do with less, which and how: `feedForwardGate: yaqa in 4 bands of rows`.
    public var restrictions: [String]
    /// Whether the residual streams of all sequences are in scratch files while matrices are rounded, rather than in
    /// memory.
    public var streamsInFiles: Bool

    init(_ plan: CalibrationPlan) {
        memoryBytes = plan.memory
        scratchBytes = plan.scratch
        restrictions = plan.restrictions
        streamsInFiles = !plan.holdsStreams
    }

    /// What a request would take for a model: a checkpoint, or one that is known by name. Its input is not opened.
    ///
    /// - Throws: `CheckpointError` where the model cannot be converted so.
    public init(_ model: MemorySubject, _ request: CalibrationRequest) throws(CheckpointError) {
        let compute = try request.compute(path: model.name)
        let matrices = try request.conversions.map { conversion throws(CheckpointError) in
            try CalibratedConversion.check(conversion.plan.type, output: model.name)
            return QuantizedMatrices(
                calibrating: try model.resolve(conversion.plan),
                weights: StoredWeights(level: conversion.level))
        }
        self.init(
            CalibrationPlan(request, matrices, in: model.configuration, compute: compute))
    }
}
