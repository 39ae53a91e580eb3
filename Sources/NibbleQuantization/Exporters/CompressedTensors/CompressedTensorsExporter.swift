internal import NibbleCheckpoint
internal import NibbleNumerics

/// Hub folders of int4 in the form of compressed-tensors, as `transformers` and vLLM load them: of each matrix of
/// attention and feed-forward layers codes, scales and shape; everything else as ``HubExporter`` writes it.
///
/// They hold the encoded rows to the bit: what is read back, encoded again, has the same bytes.
struct CompressedTensorsExporter: CheckpointExporter {
    let name = "compressed-tensors"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.int4_32
    let usesPlanOptions = false

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        if case .int4 = type.format { return }
        throw CheckpointError(
            .invalidRequest, path: output, "\(name) cannot hold \(type.rawValue)",
            advice: "choose int4, int4_32, int4_64 or int4_128")
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        guard case .int4(let group) = planned.format else {
            return try HubExporter().tensor(for: planned, of: model, request)
        }
        try planned.checkReplacement(request, of: model)
        let (name, convention) = try HubExporter.place(of: planned.role, in: model)
        let (rows, columns) = (planned.shape[0], planned.columns)
        let groups = columns / (group ?? columns)
        let words = (columns + CompressedTensors.codesPerWord - 1) / CompressedTensors.codesPerWord
        return ExportedTensor(
            shape: planned.shape, format: planned.format, reason: planned.reason, convention: convention,
            parts: [
                .init(
                    name: name + CompressedTensors.packed, shape: [rows, words], type: .i32,
                    .share("codes") {
                        CompressedTensors.writeCodes(ofRow: $0, columns: columns, groups: groups, to: $1)
                    }),
                .init(
                    name: name + CompressedTensors.scale, shape: [rows, groups], type: .bf16,
                    .share("scales") { $1.copyMemory(from: .init(rebasing: $0[..<(2 * groups)])) }),
                .init(
                    name: name + CompressedTensors.shape, shape: [2], type: .i64,
                    .constant("shape", CompressedTensors.shapeBytes(rows: rows, columns: columns))),
            ])
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        guard case .int4(let group) = request.plan.type.format else {
            preconditionFailure("\(request.plan.type) was refused")
        }
        return try HubExporter(quantization: CompressedTensors.configuration(group: group))
            .layout(of: tensors, of: model, request, notes: &notes)
    }
}
