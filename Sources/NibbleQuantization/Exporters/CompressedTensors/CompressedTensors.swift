internal import NibbleCheckpoint

/// The `pack-quantized` format of compressed-tensors, in which `transformers` and vLLM read integer weights.
///
/// A matrix `NAME.weight` of `[rows, columns]` is three tensors:
///
/// | tensor | type | shape | |
/// |---|---|---|---|
/// | `NAME.weight_packed` | I32 | `[rows, ⌈columns · bits / 32⌉]` | codes of 4 or 8 bits plus 8 or 128, the first element lowest, the rest 0 |
/// | `NAME.weight_scale` | BF16, F16 | `[rows, groups]` | one for each group; `[rows, 1]` for one a row |
/// | `NAME.weight_shape` | I64 | `[2]` | rows, columns |
///
/// Source: compressed-tensors, `compressors/quantized_compressors/pack_quantized.py`.
enum CompressedTensors {
    /// What stands behind the name of a matrix that ends in `weight`.
    static let (packed, scale, shape) = ("_packed", "_scale", "_shape")

    /// Codes of 4 bits in a word of `weight_packed`.
    static let codesPerWord = 8

    /// How the weights of some modules are stored: symmetric codes, a scale for each group of elements, or for each row.
    struct Scheme: Hashable {
        /// Bits of a code.
        var bits: Int
        /// Elements that share a scale; nil for a row.
        var group: Int?
    }

    /// The `quantization_config` of `config.json`: the scheme of most modules for all linear layers, and others by the names
    /// of their modules.
    ///
    /// - Parameters:
    ///   - modules: those that are quantized.
    ///   - others: linear layers that are not.
    static func configuration(
        _ modules: [(name: String, scheme: Scheme)], whole: Scheme, others: [String]
    ) -> JSONValue {
        var named: [Scheme: [String]] = [:]
        for (name, scheme) in modules where scheme != whole { named[scheme, default: []].append(name) }
        let schemes =
            [(whole, ["Linear"])]
            + named.sorted { ($0.key.bits, $0.value[0]) < ($1.key.bits, $1.value[0]) }.map {
                ($0.key, $0.value)
            }
        let groups = schemes.enumerated().map { index, entry in
            JSONValue.Member("group_\(index)", json(entry.0, targets: entry.1))
        }
        return .members([
            "config_groups": .object(groups), "format": "pack-quantized",
            "ignore": .array((["lm_head"] + others).map(JSONValue.string)), "kv_cache_scheme": .null,
            "quant_method": "compressed-tensors", "quantization_status": "compressed",
        ])
    }

    private static func json(_ scheme: Scheme, targets: [String]) -> JSONValue {
        let weights = JSONValue.members([
            "actorder": .null, "dynamic": false,
            "group_size": scheme.group.map(JSONValue.integer) ?? .null, "num_bits": .integer(scheme.bits),
            "strategy": .string(scheme.group == nil ? "channel" : "group"), "symmetric": true, "type": "int",
        ])
        return .members([
            "input_activations": .null, "output_activations": .null,
            "targets": .array(targets.map(JSONValue.string)), "weights": weights,
        ])
    }

    /// Fills a row of `weight_packed` from an encoded row of `Int4`.
    static func writeCodes(
        ofRow row: UnsafeRawBufferPointer, columns: Int, groups: Int, to target: UnsafeMutableRawBufferPointer
    ) {
        let codes = UnsafeRawBufferPointer(rebasing: row[(2 * groups)...])
        // Two's complement plus 8 is the sign bit turned around.
        for index in codes.indices { target[index] = codes[index] ^ 0x88 }
        // Nothing follows the last code of an odd row.
        if !columns.isMultiple(of: 2) { target[codes.count - 1] ^= 0x80 }
        for index in codes.count..<target.count { target[index] = 0 }
    }

    /// The bytes of `weight_shape`.
    static func shapeBytes(rows: Int, columns: Int) -> [UInt8] {
        [rows, columns].flatMap { extent in withUnsafeBytes(of: Int64(extent).littleEndian) { Array($0) } }
    }
}
