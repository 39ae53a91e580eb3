public import NibbleNumerics

/// The vision tower of a Gemma 3 that sees, a SigLIP, and the projector to its text model: what llama.cpp reads from a GGUF
/// file of its own, called mmproj (llama.cpp, `conversion/gemma.py`, `Gemma3VisionModel`).
public struct VisionTower: Sendable {
    /// The hub folder.
    public let path: String
    /// The tensors by the names and in the order of the GGUF file.
    public let tensors: [Tensor]

    private let folder: String
    private let json: JSONValue
    private let vision: HubFields
    private let processor: JSONValue

    /// A tensor with its name in a GGUF file.
    public struct Tensor: Sendable {
        /// `v.blk.0.attn_q.weight`
        public let name: String
        /// Where it is.
        public let entry: TensorEntry
        /// What the model adds to every value.
        public let offset: Float

        /// The type that it gets in a file of `type`: vectors and embeddings stay F32, the projector is F16, and so is a
        /// matrix whose rows are no whole blocks.
        public func type(in type: GGMLType) -> GGMLType {
            if entry.shape.count < 2 || name.hasSuffix("_embd.weight") { return .f32 }
            if name == "mm.input_projection.weight" || !entry.columns.isMultiple(of: type.blockSize) {
                return .f16
            }
            return type
        }
    }

    /// Reads a hub folder.
    ///
    /// - Throws: ``CheckpointError`` where it has no vision tower, or one of another kind.
    public init(path: String) throws(CheckpointError) {
        folder = FilePath.isFolder(path) ? path : FilePath.folder(of: path)
        self.path = path
        let configuration = FilePath.join(folder, "config.json")
        guard FilePath.exists(configuration) else { throw try FolderDiagnosis(folder).noConfiguration }
        json = try JSONParser.parse(path: configuration)
        guard let own = json["vision_config"], own.members != nil else {
            throw CheckpointError(
                .missing, path: configuration, subject: "'vision_config'",
                "is not there: the model does not see",
                advice: "leave --mmproj out")
        }
        if let kind = own["model_type"]?.text, kind != "siglip_vision_model" {
            throw CheckpointError(
                .unsupported, path: configuration, subject: "'vision_config.model_type'",
                "is '\(kind)'; the siglip_vision_model of Gemma 3 is converted")
        }
        vision = HubFields(json: own, path: configuration)
        var processor: [JSONValue.Member] = []
        for name in ["preprocessor_config.json", "processor_config.json"] {
            guard let json = try HubTokenizerFiles.parse(folder, name) else { continue }
            processor += json.members ?? []
            processor += json["image_processor"]?.members ?? []
        }
        self.processor = .object(processor)
        var tensors: [Tensor] = []
        for entry in try SafetensorsCheckpoint(path: path).tensors {
            guard let reason = HubNames.reasonToLeaveOut(entry.name), HubNames.visionParts.contains(reason)
            else {
                continue
            }
            guard let name = try Self.name(of: entry) else { continue }
            tensors.append(
                Tensor(name: name, entry: entry, offset: name == "mm.soft_emb_norm.weight" ? 1 : 0))
        }
        guard !tensors.isEmpty else {
            throw CheckpointError(
                .missing, path: path, "has no tensors of a vision tower, which config.json describes",
                advice: "the download may be incomplete")
        }
        self.tensors = tensors
    }

    // MARK: - Names

    private static let parts = [
        "layer_norm1": "ln1", "layer_norm2": "ln2", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.out_proj": "attn_out",
    ]

    /// The name in a GGUF file; nil for the head of SigLIP, which has no use here.
    private static func name(of entry: TensorEntry) throws(CheckpointError) -> String? {
        var name = entry.name
        for prefix in ["model.", "vision_tower.", "vision_model."] where name.hasPrefix(prefix) {
            name.removeFirst(prefix.count)
        }
        let part = name.hasSuffix(".bias") ? "bias" : "weight"
        let base = name.droppingSuffix("." + part).droppingSuffix("_" + part)
        let own: String? =
            switch base {
            case "multi_modal_projector.mm_input_projection": "mm.input_projection"
            case "multi_modal_projector.mm_soft_emb_norm": "mm.soft_emb_norm"
            case "embeddings.patch_embedding": "v.patch_embd"
            case "embeddings.position_embedding": "v.position_embd"
            case "post_layernorm": "v.post_ln"
            default: layerName(base)
            }
        if own == nil, base.hasPrefix("head.") { return nil }
        guard let own else {
            throw CheckpointError(
                .unsupported, path: entry.file.path, subject: "tensor '\(entry.name)'",
                "is no tensor of Gemma 3's vision tower")
        }
        return own + "." + part
    }

    private static func layerName(_ base: String) -> String? {
        let prefix = "encoder.layers."
        guard base.hasPrefix(prefix) else { return nil }
        let rest = base.dropFirst(prefix.count)
        guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), layer >= 0,
            let part = parts[String(rest[rest.index(after: dot)...])]
        else { return nil }
        return "v.blk.\(layer).\(part)"
    }

    // MARK: - Metadata

    /// The metadata of the GGUF file, keys and values in the order of llama.cpp's converter.
    ///
    /// - Parameter fileType: the value of `general.file_type`.
    /// - Throws: ``CheckpointError`` where a field is missing.
    public func metadata(fileType: UInt32) throws(CheckpointError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata.set(GGUFKey.architecture, .string("clip"))
        metadata.set("general.type", .string("mmproj"))
        let general = try GeneralMetadata(folder: folder, configuration: json)
        let count = tensors.reduce(0) { $0 + $1.entry.elementCount }
        for (key, value) in general.entries(parameterCount: count) { metadata.set(key, value) }
        metadata.set(GGUFKey.fileType, .uint32(fileType))
        metadata.set("clip.has_vision_encoder", .bool(true))
        let text = HubFields(json: json["text_config"] ?? json, path: vision.path)
        // The default of Gemma3TextConfig.
        metadata.set(
            "clip.vision.projection_dim", .uint32(UInt32(clamping: try text.count("hidden_size") ?? 2304)))
        var values: [String: Int] = [:]
        for (key, field) in [
            ("image_size", "image_size"), ("patch_size", "patch_size"), ("embedding_length", "hidden_size"),
            ("feed_forward_length", "intermediate_size"), ("block_count", "num_hidden_layers"),
            ("attention.head_count", "num_attention_heads"),
        ] {
            let value = try vision.required(field, try vision.count(field))
            values[key] = value
            metadata.set("clip.vision." + key, .uint32(UInt32(clamping: value)))
        }
        for key in ["image_mean", "image_std"] {
            metadata.set("clip.vision." + key, .array(.float32, try colors(key).map { .float32($0) }))
        }
        metadata.set("clip.projector_type", .string("gemma3"))
        let epsilon = vision.value("layer_norm_eps")?.real ?? 1e-6
        metadata.set("clip.vision.attention.layer_norm_epsilon", .float32(Float(epsilon)))
        metadata.set("clip.use_gelu", .bool(true))
        let tokens = max(last("image_seq_length")?.integer ?? 256, 1)
        let side = Int(Double(tokens).squareRoot())
        let patches = (values["image_size"] ?? 0) / max(values["patch_size"] ?? 1, 1)
        let factor = patches / max(side, 1)
        if factor > 0, factor != 4 {
            metadata.set("clip.vision.projector.scale_factor", .uint32(UInt32(clamping: factor)))
        }
        metadata.set(GGUFKey.quantizationVersion, .uint32(2))
        return metadata
    }

    /// A field of the image processor, the later file's.
    private func last(_ key: String) -> JSONValue? { processor.members?.last { $0.name == key }?.value }

    private func colors(_ key: String) throws(CheckpointError) -> [Float] {
        let values = last(key)?.elements?.compactMap(\.real) ?? []
        guard values.count == 3 else {
            throw CheckpointError(
                .missing, path: FilePath.join(folder, "preprocessor_config.json"), subject: "'\(key)'",
                "is missing or not three numbers, which the vision tower needs",
                advice: "download preprocessor_config.json as well")
        }
        return values.map { Float($0) }
    }
}
