/// How checkpoints of one kind name the tensors of an architecture: a table between roles and names, read in
/// both directions.
public enum NamingScheme: Sendable {
    /// The names of `transformers`: `model.layers.0.self_attn.q_proj.weight`.
    case hub
    /// The names of llama.cpp: `blk.0.attn_q.weight`.
    case gguf
    /// The names of gemma.cpp: `linear_w_0`. Values and rows are as on the hub.
    case sbs

    /// The name of `role`; nil where the architecture has no such tensor.
    public func name(of role: TensorRole, in architecture: Architecture) -> String? {
        if self == .sbs { return SBSNames.name(of: role) }
        guard let row = architecture.tensorTable.first(where: { $0.kind == role.kind }),
            row.hasLayers == (role.layer != nil), row.parts.contains(role.part), let base = row.name(self)
        else { return nil }
        let prefix = role.layer.map { "\(layerPrefix)\($0)." } ?? ""
        return prefix + base + "." + role.part.rawValue
    }

    /// The role of the tensor called `name`; nil where the architecture has no such tensor.
    public func role(of name: String, in architecture: Architecture) -> TensorRole? {
        var rest = Substring(name)
        var layer: Int?
        if rest.hasPrefix(layerPrefix) {
            rest = rest.dropFirst(layerPrefix.count)
            guard let dot = rest.firstIndex(of: "."), let number = Int(rest[..<dot]), number >= 0,
                String(number) == rest[..<dot]
            else { return nil }
            layer = number
            rest = rest[rest.index(after: dot)...]
        }
        guard let dot = rest.lastIndex(of: "."),
            let part = TensorRole.Part(rawValue: String(rest[rest.index(after: dot)...]))
        else { return nil }
        let base = rest[..<dot]
        let row = architecture.tensorTable.first {
            $0.hasLayers == (layer != nil) && $0.parts.contains(part)
                && $0.name(self).map { $0 == base } == true
        }
        return row.map { TensorRole($0.kind, layer: layer, part: part) }
    }

    /// How the scheme stores the values of `role`.
    public func convention(of role: TensorRole, in configuration: ModelConfiguration) -> ValueConvention {
        switch (self, configuration.architecture, role.kind) {
        case (.hub, .gemma3, let kind) where kind.isNorm, (.sbs, .gemma3, let kind) where kind.isNorm:
            ValueConvention(offset: 1)
        case (.gguf, .llama, .attentionQuery): ValueConvention(interleavedHeads: configuration.headCount)
        case (.gguf, .llama, .attentionKey):
            ValueConvention(interleavedHeads: configuration.keyValueHeadCount)
        default: ValueConvention()
        }
    }

    private var layerPrefix: String {
        switch self {
        case .hub: "model.layers."
        case .gguf: "blk."
        case .sbs: ""
        }
    }
}

/// One row of an architecture's table of tensors.
struct TensorTableRow: Sendable {
    var kind: TensorRole.Kind
    /// Name in the hub scheme without block and part; nil where the tensor exists in GGUF only.
    var hub: String?
    /// Name in the GGUF scheme without block and part.
    var gguf: String
    var hasLayers = true
    var parts: [TensorRole.Part] = [.weight]
    /// Whether every model of the architecture has it (the weight; biases are optional).
    var required = true

    func name(_ scheme: NamingScheme) -> String? {
        switch scheme {
        case .hub: hub
        case .gguf: gguf
        case .sbs: nil
        }
    }
}
