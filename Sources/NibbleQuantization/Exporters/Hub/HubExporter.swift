internal import NibbleCheckpoint
internal import NibbleNumerics

/// Hub folders of plain numbers, as `transformers` loads them: F32, F16 or BF16; and the values of SFP8's codes, which
/// BF16 holds to the bit.
struct HubExporter: CheckpointExporter {
    let name = "hub"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.bf16
    let usesPlanOptions = false
    /// The `quantization_config` of `config.json`.
    var quantization: JSONValue?
    /// More members of `config.json`.
    var configuration: [JSONValue.Member] = []
    /// The type to compute in, where it is not that of the tensors.
    var computedType: GGMLType?
    /// What safetensors files say that they are for.
    var metadataFormat = "pt"

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        switch type {
        case .f32, .f16, .bf16, .sfp8: return
        case .int4, .int4_32, .int4_64, .int4_128:
            throw CheckpointError(
                .invalidRequest, path: output, "a hub folder of plain numbers cannot hold \(type.rawValue)",
                advice: "ask for \(CompressedTensorsExporter().name), or use bf16, f16, f32 or sfp8")
        default:
            let types = QuantizationType.folderTypes.map(\.rawValue).joined(separator: ", ")
            throw CheckpointError(
                .invalidRequest, path: output, "safetensors cannot hold \(type.format)",
                advice:
                    "use --type bf16, f16, f32, \(types), an output that ends in .gguf, or for q4_0 and q8_0 "
                    + "--format mlx or compressed-tensors")
        }
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        if planned.role.isRotary { return nil }
        let (name, convention) = try Self.place(of: planned.role, in: model)
        if !request.plan.type.isGGUF { try planned.checkReplacement(request, of: model) }
        if planned.format == .sfp8 {
            return ExportedTensor(
                shape: planned.shape, format: .sfp8, reason: planned.reason, convention: convention,
                parts: [
                    .init(
                        name: name, shape: planned.shape, type: .bf16,
                        .share("values") { Self.writeValues(ofRow: $0, to: $1) })
                ])
        }
        var (format, reason) = Self.storage(of: planned, request)
        if planned.shape.count == 1,
            try !Self.isExact(planned, convention: convention, of: model, as: format)
        {
            // A norm that the type cannot hold stays F32: a few kilobytes that make the way back exact.
            (format, reason) = (.ggml(.f32), .kept)
        }
        return ExportedTensor(
            name: name, shape: planned.sourceShape, format: format, reason: reason, convention: convention)
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        var provenance = request.provenance
        if provenance == nil { provenance = try model.provenance() }
        // Where matrices are quantized, the type to compute in holds their scales, or values, and the embedding.
        let embedding = try Self.place(of: TensorRole(.tokenEmbedding), in: model).name
        let computed: GGMLType = tensors.first { $0.name == embedding }?.type == .bf16 ? .bf16 : .f32
        var companions = try model.hubFiles(
            type: computedType ?? request.plan.type.format.ggmlType ?? computed, quantization: quantization,
            notes: &notes)
        if !configuration.isEmpty {
            try companions.add(configuration, toObject: "config.json", path: request.output)
        }
        FolderCard(tensors, of: model, request, provenance: provenance)?.add(to: &companions)
        return try .hub(
            path: request.output, tensors: tensors, companions: companions,
            splitSize: request.splitSize ?? 5_000_000_000, metadata: provenance?.safetensorsEntries ?? [],
            format: metadataFormat)
    }

    /// What the hub calls a tensor, and how it stores its values.
    static func place(
        of role: TensorRole, in model: ModelCheckpoint
    ) throws(CheckpointError) -> (name: String, convention: ValueConvention) {
        guard let name = NamingScheme.hub.name(of: role, in: model.configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "the hub has no name for \(role)")
        }
        return (name, NamingScheme.hub.convention(of: role, in: model.configuration))
    }

    /// The format of a tensor that stands there as plain numbers.
    private static func storage(
        of planned: PlannedTensor, _ request: ConversionRequest
    ) -> (WeightFormat, QuantizationPlan.Reason) {
        let format = request.plan.type.format
        guard format.ggmlType != nil else { return (planned.format, planned.reason) }
        switch planned.source {
        case .computed: return (planned.format, .defaultType)
        // What was not trained is to be quantized later as it would be from the source.
        case .stored where !request.replacements.isEmpty: return (planned.source.format.inFolder, .kept)
        case .stored, .encoded, .described: return (format, .defaultType)
        }
    }

    /// Whether every value of a stored vector survives being stored as `format`.
    static func isExact(
        _ planned: PlannedTensor, convention: ValueConvention, of model: ModelCheckpoint,
        as format: WeightFormat
    ) throws(CheckpointError) -> Bool {
        guard case .stored(let entry) = planned.source, format != .ggml(.f32) else { return true }
        let addend = planned.transform(to: convention, of: model).addend
        return try entry.floats().allSatisfy { value in
            let value = value + addend
            return format == .ggml(.f16)
                ? Float(Float16(value)) == value : value.bitPattern & 0xFFFF == 0
        }
    }

    /// Writes the values that a row of SFP8 stands for, as BF16.
    private static func writeValues(
        ofRow row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) {
        var values = [Float](repeating: 0, count: row.count)
        var span = values.mutableSpan
        SFP8().decode(RawSpan(_unsafeBytes: row), columns: row.count, into: &span, level: .best)
        for (index, value) in values.enumerated() {
            target.storeBytes(of: Half.bf16(value).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
        }
    }
}
