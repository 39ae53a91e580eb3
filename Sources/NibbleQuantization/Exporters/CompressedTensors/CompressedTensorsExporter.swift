internal import NibbleCheckpoint
internal import NibbleNumerics

/// Hub folders in the form of compressed-tensors, as `transformers` and vLLM load them: of each matrix of attention and
/// feed-forward layers codes, scales and shape; everything else as ``HubExporter`` writes it.
///
/// They hold the encoded rows to the bit, those of int4 with scales in BF16, and those of Q4_0 and Q8_0 with the halves that
/// their blocks have: what is read back, encoded again, has the same bytes. Embedding and vocabulary head stay plain numbers,
/// the source's where it has such, since vLLM reads no others; a matrix that a rule of the mixture gives another type gets the
/// type of the whole.
struct CompressedTensorsExporter: CheckpointExporter {
    let name = "compressed-tensors"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.int4_32
    let usesPlanOptions = true

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        if case .int4 = type.format { return }
        if let own = type.format.ggmlType, Self.codes(own) != nil { return }
        throw CheckpointError(
            .invalidRequest, path: output, "\(name) cannot hold \(type.rawValue)",
            advice: "choose int4, int4_32, int4_64 or int4_128, or q4_0 or q8_0 for the codes of a GGUF file")
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        guard planned.role.isLinear, planned.format.isQuantized, planned.shape.count == 2 else {
            return try plain(planned, of: model, request)
        }
        try planned.checkReplacement(request, of: model)
        let (name, convention) = try HubExporter.place(of: planned.role, in: model)
        let format = try format(of: planned, request)
        return ExportedTensor(
            shape: planned.shape, format: format, reason: planned.reason, convention: convention,
            parts: parts(name, format, rows: planned.shape[0], columns: planned.columns))
    }

    private func parts(
        _ name: String, _ format: WeightFormat, rows: Int, columns: Int
    ) -> [ExportedTensor.Part] {
        let shape = ExportedTensor.Part(
            name: name + CompressedTensors.shape, shape: [2], type: .i64,
            .constant("shape", CompressedTensors.shapeBytes(rows: rows, columns: columns)))
        if case .int4(let group) = format {
            let groups = columns / (group ?? columns)
            let words = (columns + CompressedTensors.codesPerWord - 1) / CompressedTensors.codesPerWord
            return [
                .init(
                    name: name + CompressedTensors.packed, shape: [rows, words], type: .i32,
                    .share("codes") {
                        CompressedTensors.writeCodes(ofRow: $0, columns: columns, groups: groups, to: $1)
                    }),
                .init(
                    name: name + CompressedTensors.scale, shape: [rows, groups], type: .bf16,
                    .share("scales") { $1.copyMemory(from: .init(rebasing: $0[..<(2 * groups)])) }), shape,
            ]
        }
        guard let codes = format.ggmlType.flatMap(Self.codes) else {
            preconditionFailure("\(format) was refused")
        }
        return [
            .init(
                name: name + CompressedTensors.packed, shape: [rows, columns * codes.bits / 32], type: .i32,
                .share("codes") { codes.writeCodes(of: $0, to: $1) }),
            .init(
                name: name + CompressedTensors.scale, shape: [rows, columns / BlockCodes.group], type: .f16,
                .share("scales") { codes.writeScales(of: $0, to: $1) }), shape,
        ]
    }

    /// Blocks that have no minima, which symmetric codes do not hold.
    private static func codes(_ type: GGMLType) -> BlockCodes? {
        BlockCodes(type).flatMap { $0.zero == nil ? nil : $0 }
    }

    /// The format of a quantized matrix: that of the plan, or that of the whole where a rule chose one that is not held.
    private func format(
        of planned: PlannedTensor, _ request: ConversionRequest
    ) throws(CheckpointError) -> WeightFormat {
        if case .int4 = planned.format { return planned.format }
        return try planned.format(
            heldBy: { Self.codes($0) != nil }, insteadOfRules: request.plan.type.format,
            output: request.output,
            "\(name) cannot hold", advice: "choose q4_0 or q8_0 for it, as --tensor-type does")
    }

    /// A tensor that is not quantized here.
    private func plain(
        _ planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        // The plan of a type that GGUF lacks leaves such tensors as they are.
        guard request.plan.type.isGGUF else {
            return try HubExporter().tensor(for: planned, of: model, request)
        }
        if planned.role.isRotary { return nil }
        try planned.checkReplacement(request, of: model)
        let (name, convention) = try HubExporter.place(of: planned.role, in: model)
        var format = planned.source.format.inFolder
        if planned.shape.count == 1,
            try !HubExporter.isExact(planned, convention: convention, of: model, as: format)
        {
            format = .ggml(.f32)
        }
        return ExportedTensor(
            name: name, shape: planned.shape, format: format, reason: .kept, convention: convention)
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        guard case .ggml(let type) = request.plan.type.format else {
            guard case .int4(let group) = request.plan.type.format else {
                preconditionFailure("\(request.plan.type) was refused")
            }
            let scheme = CompressedTensors.Scheme(bits: 4, group: group)
            return try HubExporter(
                quantization: CompressedTensors.configuration([], whole: scheme, others: [])
            ).layout(of: tensors, of: model, request, notes: &notes)
        }
        func scheme(_ bits: Int) -> CompressedTensors.Scheme { .init(bits: bits, group: BlockCodes.group) }
        var modules: [(name: String, scheme: CompressedTensors.Scheme)] = []
        var others: [String] = []
        for tensor in tensors where tensor.shape.count == 2 {
            let name = tensor.name.droppingSuffix(CompressedTensors.packed)
            let role = NamingScheme.hub.role(of: name, in: model.configuration.architecture)
            guard let role, role.isLinear else { continue }
            let module = name.droppingSuffix(".weight")
            if name == tensor.name {
                others.append(module)
            } else if let columns = model.configuration.shape(of: role)?.last {
                modules.append((module, scheme(32 * tensor.shape[1] / columns)))
            }
        }
        let whole = scheme(Self.codes(type)?.bits ?? 4)
        var exporter = HubExporter(
            quantization: CompressedTensors.configuration(modules, whole: whole, others: others))
        let embedding = try HubExporter.place(of: TensorRole(.tokenEmbedding), in: model).name
        exporter.computedType = tensors.first { $0.name == embedding }?.type
        return try exporter.layout(of: tensors, of: model, request, notes: &notes)
    }
}
