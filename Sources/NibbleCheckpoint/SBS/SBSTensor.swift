internal import NibbleNumerics

/// A tensor in gemma.cpp's table of contents (`MatPtr` in `util/mat.h`).
struct SBSTensor: Sendable, Equatable {
    /// At most 16 characters: `linear_w_3`.
    var name: String
    var type: SBSType
    var rows: Int
    var columns: Int
    /// What values were divided by.
    var scale: Float = 1

    /// Adds its fields to the blob `toc`.
    func add(to writer: inout SBSFieldWriter) {
        writer.object { fields in
            fields.add(name)
            fields.add(type.rawValue)
            fields.add(type.elementBytes ?? 0)
            fields.add(rows * columns)
            fields.add(rows)
            fields.add(columns)
            fields.add(scale)
            fields.add(columns)
        }
    }

    /// Reads the blob `toc`.
    static func list(_ bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) -> [SBSTensor] {
        var reader = try SBSFieldReader(bytes, path: path, subject: "blob 'toc'")
        var tensors: [SBSTensor] = []
        while !reader.isAtEnd {
            tensors.append(
                try reader.object { fields throws(CheckpointError) in
                    let name = try fields.text()
                    let type = fields.number()
                    _ = (fields.number(), fields.number())
                    let (rows, columns, scale) = (fields.number(), fields.number(), fields.float())
                    guard let type = SBSType(rawValue: type), rows > 0, columns > 0, scale.isFinite else {
                        throw fields.error(
                            "describes '\(name)' as type \(type), \(rows) x \(columns), scale \(scale)")
                    }
                    return SBSTensor(name: name, type: type, rows: rows, columns: columns, scale: scale)
                })
        }
        return tensors
    }
}

/// The names of gemma.cpp's tensors (`gemma/tensor_info.cc`), as they are written: parts that other files join stand alone,
/// but for keys and values, which are one tensor whose rows change head by head.
enum SBSNames {
    /// What a tensor is called without its layer; nil where Gemma 3 has none such.
    static func base(_ kind: TensorRole.Kind) -> String? {
        switch kind {
        case .tokenEmbedding: "c_embedding"
        case .outputNorm: "c_final_norm"
        case .attentionNorm: "pre_att_ns"
        case .attentionQuery: "qkv1_w"
        case .attentionKey, .attentionValue: "qkv2_w"
        case .attentionOutput: "att_w"
        case .attentionQueryNorm: "query_norm"
        case .attentionKeyNorm: "key_norm"
        case .attentionPostNorm: "post_att_ns"
        case .feedForwardNorm: "pre_ff_ns"
        case .feedForwardGate: "gating1_w"
        case .feedForwardUp: "gating2_w"
        case .feedForwardDown: "linear_w"
        case .feedForwardPostNorm: "post_ff_ns"
        case .output, .ropeFrequencies, .ropeLongFactors, .ropeShortFactors: nil
        }
    }

    /// The name of a tensor; nil where gemma.cpp has none.
    static func name(of role: TensorRole) -> String? {
        guard role.part == .weight, let base = base(role.kind) else { return nil }
        return base + (role.layer.map { "_\($0)" } ?? "")
    }
}
