public import NibbleTensor

/// One step of AdamW for each kind of what a student trains.
public struct StudentSteps: Sendable {
    /// Of matrices whose scales are recomputed, in units of the weights.
    public var matrices: AdamWStep
    /// Whether the rate of each of these is multiplied by ``TrainedMatrix/relativeMagnitude``, so that weights of all
    /// matrices move by like parts of their quantization steps.
    public var isRelative = false
    /// Of weights whose scales are learned, in steps between two codes.
    public var codes: AdamWStep
    /// Of learned scales, in shares of the scale.
    public var scales: AdamWStep
    /// Of norms and biases.
    public var vectors: AdamWStep

    /// The same step for all.
    public init(_ step: AdamWStep) { (matrices, codes, scales, vectors) = (step, step, step, step) }
}
