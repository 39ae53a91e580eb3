internal import NibbleCheckpoint
internal import NibbleNumerics

/// Folders that `mlx-lm` loads: of each matrix codes, scales and biases (``MLXAffine``), so that the values are those of the
/// GGUF file of the same plan to the bit; norms and all else as hub folders have them.
///
/// A matrix that a rule of the mixture gives another type (Q6_K, for an embedding) is Q8_0.
struct MLXExporter: CheckpointExporter {
    let name = "mlx"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.q4_0
    let usesPlanOptions = true

    func howToRun(_ name: String) -> String? {
        "MLX: `mlx_lm.generate --model \(name) --prompt \"...\"`"
    }

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        if let own = type.format.ggmlType, MLXAffine(own) != nil { return }
        throw CheckpointError(
            .invalidRequest, path: output, "MLX's affine groups do not hold \(type.rawValue)",
            advice: "choose q4_0, q4_1 or q8_0; for bf16, f16 and f32 leave --format out")
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        if planned.role.isRotary { return nil }
        try planned.checkReplacement(request, of: model)
        let (name, convention) = try HubExporter.place(of: planned.role, in: model)
        guard planned.format.isQuantized else {
            let format =
                planned.shape.count == 1
                ? try vectorFormat(planned, convention, of: model) : planned.format
            return ExportedTensor(
                name: name, shape: planned.shape, format: format, reason: planned.reason,
                convention: convention)
        }
        let format = try planned.format(
            heldBy: { MLXAffine($0) != nil }, insteadOfRules: .ggml(.q8_0), output: request.output,
            "MLX's affine groups do not hold",
            advice: "choose q4_0, q4_1 or q8_0 for it, as --embedding-type and --tensor-type do")
        guard let type = format.ggmlType, let affine = MLXAffine(type) else {
            preconditionFailure("\(format) was refused")
        }
        let (rows, columns) = (planned.shape[0], planned.columns)
        let (module, groups) = (name.droppingSuffix("weight"), columns / MLXAffine.group)
        var words = ExportedTensor.Part(
            name: name, shape: [rows, columns * affine.bits / 32], type: .i32,
            .share("codes") { affine.blocks.writeCodes(of: $0, to: $1) })
        words.tensor.isUnsigned = true
        // mlx-lm gives embeddings the type of their scales, and of a Gemma 3 in F16 keeps the residual stream in that.
        let isWide = planned.role.kind == .tokenEmbedding && model.configuration.architecture == .gemma3
        return ExportedTensor(
            shape: planned.shape, format: format, reason: planned.reason, convention: convention,
            parts: [
                words,
                Self.part(
                    module + Self.scales, [rows, groups], isWide: isWide
                ) { row, target throws(CodecError) in affine.blocks.writeScales(of: row, to: target) },
                Self.part(
                    module + "biases", [rows, groups], isWide: isWide
                ) { row, target throws(CodecError) in try affine.writeBiases(of: row, to: target) },
            ])
    }

    /// Numbers of groups: the halves that `fill` writes, or these as F32.
    private static func part(
        _ name: String, _ shape: [Int], isWide: Bool, _ fill: @escaping ExportedTensor.Fill
    ) -> ExportedTensor.Part {
        guard isWide else {
            return .init(name: name, shape: shape, type: .f16, .share(label(of: name), fill))
        }
        return .init(
            name: name, shape: shape, type: .f32,
            .share(label(of: name)) { row, target throws(CodecError) in
                let halves = UnsafeMutableRawBufferPointer.allocate(byteCount: target.count / 2, alignment: 2)
                defer { halves.deallocate() }
                try fill(row, halves)
                BlockCodes.widen(UnsafeRawBufferPointer(halves), to: target)
            })
    }

    /// `scales` or `biases`.
    private static func label(of name: String) -> String { String(name.split(separator: ".").last ?? "") }

    /// BF16 where it holds the values, F32 else; and for Gemma's norms, which mlx-lm adds one to in their own type: in BF16 that
    /// rounds them to a part in 256.
    private func vectorFormat(
        _ planned: PlannedTensor, _ convention: ValueConvention, of model: ModelCheckpoint
    ) throws(CheckpointError) -> WeightFormat {
        guard planned.isStored, convention.offset == 0,
            try HubExporter.isExact(planned, convention: convention, of: model, as: .ggml(.bf16))
        else { return .ggml(.f32) }
        return .ggml(.bf16)
    }

    /// What the scales of a module are called.
    private static let scales = "scales"

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        let byName = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        var bits: [(module: String, bits: Int)] = []
        for tensor in tensors where tensor.name.hasSuffix("." + Self.scales) {
            let module = tensor.name.droppingSuffix("." + Self.scales)
            guard let words = byName[module + ".weight"], tensor.shape[1] > 0 else { continue }
            bits.append((module, 32 * words.shape[1] / (tensor.shape[1] * MLXAffine.group)))
        }
        let quantization = MLXAffine.configuration(bits)
        var exporter = HubExporter(quantization: quantization)
        exporter.computedType = .bf16
        exporter.metadataFormat = "mlx"
        // mlx-lm reads the one, and writes both.
        exporter.configuration = [.init("quantization", quantization)]
        return try exporter.layout(of: tensors, of: model, request, notes: &notes)
    }
}
