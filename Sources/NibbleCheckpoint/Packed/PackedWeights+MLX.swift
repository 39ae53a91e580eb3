/// The affine quantization of MLX: w = scale · code + bias, codes of 2 to 8 bits in U32 words, groups of 32, 64 or 128.
///
/// | tensor | type | shape |
/// |---|---|---|
/// | `MODULE.weight` | U32 | `[rows, columns · bits / 32]` |
/// | `MODULE.scales`, `MODULE.biases` | F16, BF16 or F32 | `[rows, columns / group]` |
///
/// `config.json` has `group_size` and `bits` under `quantization`, and others of single modules under their paths there.
/// Source: mlx-lm, `utils.py`; mlx, `quantized.cpp`.
extension PackedWeights {
    /// Adds the matrix of a module.
    mutating func addMLX(module: String) throws(CheckpointError) {
        let (name, scalesName, biasesName) = (module + ".weight", module + ".scales", module + ".biases")
        guard let (file, words) = part(name), let scales = part(scalesName)?.entry else {
            throw CheckpointError(
                .missing, path: part(scalesName)?.file.file.path ?? path, subject: "tensor '\(name)'",
                "is missing, which '\(scalesName)' belongs to")
        }
        guard words.type == .u32, words.shape.count == 2, scales.shape.count == 2, scales.shape[1] > 0 else {
            throw inconsistent(
                name,
                "is \(words.type.rawValue) \(words.shape.extents) beside scales of \(scales.shape.extents), "
                    + "expected rows of U32 words and of scales")
        }
        try checkExtents(words.shape + scales.shape, of: name)
        let (group, bits) = try mlxForm(of: module)
        let (rows, columns) = (words.shape[0], scales.shape[1] * group)
        guard words.shape[1] * 32 == columns * bits else {
            throw inconsistent(
                name,
                "has \(words.shape[1]) words a row and \(scales.shape[1]) scales, which are not \(bits) bits in "
                    + "groups of \(group), as \(path) says")
        }
        let shape = [rows, scales.shape[1]]
        let matrix = PackedMatrix(
            rows: rows, columns: columns,
            codes: PackedIntegers(
                file: file.file, range: words.range, bits: bits, rowBytes: 4 * words.shape[1]),
            scales: try numbers(scalesName, shape: shape, of: name),
            offset: .minima(try numbers(biasesName, shape: shape, of: name)), group: group,
            form: "MLX's affine codes")
        add(matrix, as: name, of: [scalesName, biasesName])
    }

    /// Elements of a group and bits of a code in a module.
    private func mlxForm(of module: String) throws(CheckpointError) -> (group: Int, bits: Int) {
        let general = configuration["quantization"] ?? configuration["quantization_config"]
        let own = general?[module]
        func field(_ name: String) -> JSONValue? { own?[name] ?? general?[name] }
        let subject = "'quantization' of \(module)"
        if let mode = field("mode")?.text, mode != "affine" {
            throw CheckpointError(
                .unsupported, path: path, subject: subject, "has the mode '\(mode)'; affine is read")
        }
        guard let group = field("group_size")?.integer, let bits = field("bits")?.integer else {
            throw CheckpointError(
                .missing, path: path, subject: subject, "states no group_size and bits",
                advice: "the folder may be incomplete: mlx-lm writes them to config.json")
        }
        guard [32, 64, 128].contains(group), [2, 3, 4, 5, 6, 8].contains(bits) else {
            throw CheckpointError(
                .unsupported, path: path, subject: subject,
                "is \(bits) bits in groups of \(group); 2, 3, 4, 5, 6 and 8 bits in groups of 32, 64 and 128 are read"
            )
        }
        return (group, bits)
    }
}
