internal import NibbleCheckpoint

/// The `pack-quantized` format of compressed-tensors, in which `transformers` and vLLM read integer weights.
///
/// A matrix `NAME.weight` of `[rows, columns]` is three tensors:
///
/// | tensor | type | shape | |
/// |---|---|---|---|
/// | `NAME.weight_packed` | I32 | `[rows, ⌈columns / 8⌉]` | codes plus 8; element 8 i + j in bits 4 j to 4 j + 3 of word i, the rest 0 |
/// | `NAME.weight_scale` | BF16 | `[rows, groups]` | one for each group; `[rows, 1]` for one a row |
/// | `NAME.weight_shape` | I64 | `[2]` | rows, columns |
///
/// Source: compressed-tensors, `compressors/quantized_compressors/pack_quantized.py`.
enum CompressedTensors {
    /// What stands behind the name of a matrix that ends in `weight`.
    static let (packed, scale, shape) = ("_packed", "_scale", "_shape")

    /// Codes in a word of `weight_packed`.
    static let codesPerWord = 8

    /// The `quantization_config` of `config.json` for symmetric weights of 4 bits in linear layers, the vocabulary head
    /// left out.
    ///
    /// - Parameter group: elements that share a scale; nil for a row.
    static func configuration(group: Int?) -> JSONValue {
        let weights = JSONValue.members([
            "actorder": .null, "dynamic": false, "group_size": group.map(JSONValue.integer) ?? .null,
            "num_bits": .integer(4), "strategy": .string(group == nil ? "channel" : "group"),
            "symmetric": true,
            "type": "int",
        ])
        let scheme = JSONValue.members([
            "input_activations": .null, "output_activations": .null, "targets": .array(["Linear"]),
            "weights": weights,
        ])
        return .members([
            "config_groups": .members(["group_0": scheme]), "format": "pack-quantized",
            "ignore": .array(["lm_head"]), "kv_cache_scheme": .null, "quant_method": "compressed-tensors",
            "quantization_status": "compressed",
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
