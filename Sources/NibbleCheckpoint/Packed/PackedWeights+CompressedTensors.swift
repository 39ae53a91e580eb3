/// The integer formats of compressed-tensors: w = scale · (code - zero), a scale for each group of a row's elements or for
/// each row.
///
/// | format | tensor | type | shape | |
/// |---|---|---|---|---|
/// | `pack-quantized` | `weight_packed` | I32 | `[rows, ⌈columns · bits / 32⌉]` | codes of 2 to 8 bits, a stream of bits |
/// | | `weight_shape` | I64 | `[2]` | rows, columns |
/// | | `weight_zero_point` | I32 | `[⌈rows · bits / 32⌉, groups]` | packed along rows; only where asymmetric |
/// | `int-quantized`, `naive-quantized` | `weight` | I8 | `[rows, columns]` | signed codes |
/// | | `weight_zero_point` | I8 | `[rows, groups]` | only where asymmetric |
/// | all | `weight_scale` | F16, BF16 or F32 | `[rows, groups]` | |
///
/// Source: compressed-tensors, `compressors/pack_quantized`, `compressors/naive_quantized`.
extension PackedWeights {
    private static let form = "integer codes of compressed-tensors"
    private static let activations = [
        "input_scale", "input_zero_point", "output_scale", "output_zero_point", "k_scale", "v_scale",
        "q_scale", "input_global_scale",
    ]

    /// Adds all matrices of a folder.
    ///
    /// - Parameter names: those of the text model's tensors.
    mutating func addCompressedTensors(_ names: [String]) throws(CheckpointError) {
        var found = false
        for name in names {
            if name.hasSuffix(".weight_packed") {
                try addPacked(name.droppingSuffix("_packed"))
                found = true
            } else if name.hasSuffix(".weight"), part(name)?.entry.type == .i8, part(name + "_scale") != nil {
                try addIntegers(name)
                found = true
            }
        }
        guard found else { return }
        let others = names.filter { name in Self.activations.contains { name.hasSuffix("." + $0) } }
        leaveOut(others)
        let schemes = configuration["quantization_config"]?["config_groups"]?.members ?? []
        if !others.isEmpty || schemes.contains(where: { $0.value["input_activations"]?.members != nil }) {
            note(
                CheckpointNote(
                    path: path, subject: "'quantization_config'",
                    "quantizes activations, too, which vLLM does and Nibble does not: weights alone are read")
            )
        }
    }

    /// Adds a matrix whose codes are packed in words.
    private mutating func addPacked(_ name: String) throws(CheckpointError) {
        let packed = name + "_packed"
        guard let (file, words) = part(packed) else { return }
        if let order = part(name + "_g_idx") {
            throw CheckpointError(
                .unsupported, path: order.file.file.path, subject: "tensor '\(name)_g_idx'",
                "puts columns into groups by the order of their activations, which is not read",
                advice: "start from the original, or from codes without actorder 'group'")
        }
        let (rows, columns) = try packedShape(name)
        guard words.type == .i32, words.shape.count == 2, words.shape[0] == rows else {
            throw inconsistent(
                packed, "is \(words.type.rawValue) \(words.shape.extents), expected I32 words of \(rows) rows"
            )
        }
        let candidates = numbersOfBits.filter { (columns * $0 + 31) / 32 == words.shape[1] }
        guard let bits = candidates.first else {
            throw inconsistent(
                packed,
                "has \(words.shape[1]) words for \(columns) columns, which are not "
                    + "\(numbersOfBits.map(String.init).joined(separator: " or ")) bits, as \(path) says")
        }
        let codes = PackedIntegers(
            file: file.file, range: words.range, bits: bits, rowBytes: 4 * words.shape[1])
        try add(codes, rows, columns, as: name, of: [packed, name + "_shape"])
    }

    /// Adds a matrix whose codes are bytes.
    private mutating func addIntegers(_ name: String) throws(CheckpointError) {
        guard let (file, integers) = part(name), integers.shape.count == 2 else { return }
        let (rows, columns) = (integers.shape[0], integers.shape[1])
        let codes = PackedIntegers(
            file: file.file, range: integers.range, bits: 8, rowBytes: columns, isSigned: true)
        try add(codes, rows, columns, as: name, of: [])
    }

    private mutating func add(
        _ codes: PackedIntegers, _ rows: Int, _ columns: Int, as name: String, of parts: [String]
    ) throws(CheckpointError) {
        try checkExtents([rows, columns], of: name)
        let (scaleName, zeroName) = (name + "_scale", name + "_zero_point")
        let own = part(scaleName)?.entry.shape ?? []
        let groups = own.count == 1 ? 1 : own.last ?? 0
        guard own.first == rows, groups > 0, columns.isMultiple(of: groups) else {
            guard part(scaleName) != nil else {
                _ = try numbers(scaleName, shape: [rows, 1], of: name)
                return
            }
            throw CheckpointError(
                .unsupported, path: part(scaleName)?.file.file.path ?? path, subject: "tensor '\(scaleName)'",
                "is \(own.extents) for \(rows) rows of \(columns): a scale for each row, or for each of its groups of one "
                    + "size, is read")
        }
        let scales = try numbers(scaleName, shape: [rows, groups], of: name)
        let zeros = try zeros(zeroName, bits: codes.bits, rows: rows, groups: groups)
        let middle = 1 << (codes.bits - 1)
        let matrix = PackedMatrix(
            rows: rows, columns: columns, codes: codes, scales: scales,
            offset: zeros.map { .zeros($0.codes, $0.place) } ?? .zero(middle), group: columns / groups,
            form: Self.form)
        add(matrix, as: name, of: parts + [scaleName] + (zeros == nil ? [] : [zeroName]))
    }

    /// The widths of codes that `config.json` says; all where it says none.
    private var numbersOfBits: [Int] {
        let schemes = configuration["quantization_config"]?["config_groups"]?.members ?? []
        let stated = schemes.compactMap { $0.value["weights"]?["num_bits"]?.integer }.filter((2...8).contains)
        return stated.isEmpty ? [4, 8] : stated.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Rows and columns of a packed matrix.
    private func packedShape(_ name: String) throws(CheckpointError) -> (rows: Int, columns: Int) {
        guard let (file, entry) = part(name + "_shape") else {
            throw CheckpointError(
                .missing, path: part(name + "_packed")?.file.file.path ?? path,
                subject: "tensor '\(name)_shape'", "is missing, which '\(name)_packed' cannot be read without"
            )
        }
        let bytes = UnsafeRawBufferPointer(rebasing: file.file.bytes[entry.range])
        let extents: [Int]? = withExtendedLifetime(file) {
            switch (entry.type, entry.shape) {
            case (.i64, [2]):
                (0..<2).map {
                    Int(Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)))
                }
            case (.i32, [2]):
                (0..<2).map {
                    Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)))
                }
            default: nil
            }
        }
        // Columns of more words than any file has would overflow.
        guard let extents, extents.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
            throw inconsistent(
                name + "_shape", "does not hold two extents (\(entry.type.rawValue) \(entry.shape.extents))")
        }
        return (extents[0], extents[1])
    }

    /// The codes of zero of all groups, row by row; nil where there are none, so that it is the middle code.
    private func zeros(
        _ name: String, bits: Int, rows: Int, groups: Int
    ) throws(CheckpointError) -> (codes: [UInt8], place: FileRange)? {
        guard let (file, entry) = part(name) else { return nil }
        let place = (file.file, entry.range)
        let bytes = UnsafeRawBufferPointer(rebasing: file.file.bytes[entry.range])
        let middle = UInt8(1 << (bits - 1))
        switch (entry.type, entry.shape) {
        case (.i8, [rows, groups]):
            return (bytes.map { $0 &+ middle }, place)
        case (.i32, [(rows * bits + 31) / 32, groups]):
            // A stream of bits down each column of words.
            var codes = [UInt8](repeating: 0, count: rows * groups)
            func word(_ index: Int, _ group: Int) -> UInt64 {
                guard index < entry.shape[0] else { return 0 }
                let offset = 4 * (index * groups + group)
                return UInt64(
                    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            }
            for group in 0..<groups {
                for row in 0..<rows {
                    let (index, shift) = (row * bits / 32, UInt64(row * bits % 32))
                    let pair = word(index, group) | word(index + 1, group) << 32
                    codes[row * groups + group] = UInt8(pair >> shift & (1 << UInt64(bits) - 1))
                }
            }
            return (codes, place)
        default:
            throw inconsistent(
                name,
                "is \(entry.type.rawValue) \(entry.shape.extents), expected codes of zero for \(rows) rows of "
                    + "\(groups) groups")
        }
    }
}
