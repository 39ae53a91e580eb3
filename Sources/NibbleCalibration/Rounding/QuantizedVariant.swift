internal import NibbleCheckpoint
internal import NibbleQuantization

/// One of the quantized models that are made together of one unquantized model.
struct QuantizedVariant {
    let matrices: QuantizedMatrices
    /// Where its encoded rows are kept.
    let rows: EncodedRowsFile

    /// Those of some matrices whose codes and scales are chosen by calibration, in the order of the plan.
    func calibrated(_ roles: [TensorRole]) -> [PlannedTensor] {
        matrices.calibrated.filter { roles.contains($0.role) }
    }
}
