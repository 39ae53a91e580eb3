internal import NibbleNumerics

/// The tensors of a hub folder, each packed matrix as one: what MLX (``addMLX(module:)``) and compressed-tensors
/// (``addCompressedTensors(_:)``) store as codes, scales and offsets in tensors of their own.
struct PackedWeights {
    /// All tensors whose elements can be read, packed matrices under the name of a plain one, `....weight`.
    private(set) var tensors: [TensorEntry] = []
    /// Tensors of the text model that no weight of a supported model has.
    private(set) var foreign: [(name: String, type: String, path: String)] = []
    /// What the user should know of what was found.
    private(set) var notes: [CheckpointNote] = []

    /// `config.json`, and its path.
    let configuration: JSONValue
    let path: String
    /// The tensors of all files by name.
    private let stored: [String: (file: SafetensorsFile, entry: SafetensorsFile.Entry)]
    /// Names of tensors that are parts of packed matrices.
    private var parts: Set<String> = []
    private var packed: [String: TensorEntry] = [:]

    /// - Parameters:
    ///   - configuration: `config.json`.
    ///   - path: its path.
    /// - Throws: ``CheckpointError`` where parts contradict each other, or matrices are stored in a form that is not read.
    init(
        _ weights: SafetensorsCheckpoint, configuration: JSONValue, path: String
    ) throws(CheckpointError) {
        (self.configuration, self.path) = (configuration, path)
        var stored: [String: (file: SafetensorsFile, entry: SafetensorsFile.Entry)] = [:]
        for file in weights.files {
            for entry in file.entries { stored[entry.name] = (file, entry) }
        }
        self.stored = stored
        let names = stored.keys.filter { HubNames.reasonToLeaveOut($0) == nil }.sorted()
        let isPlain = names.allSatisfy { stored[$0]?.entry.type.isFloat == true }
        if !isPlain {
            for name in names where name.hasSuffix(".scales") {
                try addMLX(module: name.droppingSuffix(".scales"))
            }
            try addCompressedTensors(names)
            if packed.isEmpty { try refuseMethod() }
        }
        for entry in weights.tensors where !parts.contains(entry.name) {
            tensors.append(packed[entry.name] ?? entry)
        }
        // Codes whose words have no GGML type stand among the foreign.
        let listed = Set(weights.tensors.map(\.name))
        tensors += packed.filter { !listed.contains($0.key) }.sorted { $0.key < $1.key }.map(\.value)
        for file in weights.files {
            foreign += file.foreign.filter {
                packed[$0.name] == nil && !parts.contains($0.name)
                    && HubNames.reasonToLeaveOut($0.name) == nil
            }.map { ($0.name, $0.type, file.file.path) }
        }
        noteForms()
    }

    /// Adds a packed matrix under the name of a plain one, of the tensors `names`.
    mutating func add(_ matrix: PackedMatrix, as name: String, of names: [String]) {
        parts.formUnion(names)
        parts.remove(name)
        packed[name] = TensorEntry(
            name: name, shape: [matrix.rows, matrix.columns], type: matrix.type, file: matrix.codes.file,
            range: matrix.codes.range, packing: matrix)
    }

    /// Leaves tensors out that say how activations are quantized.
    mutating func leaveOut(_ names: [String]) { parts.formUnion(names) }

    mutating func note(_ note: CheckpointNote) { notes.append(note) }

    /// Says of each form what its matrices are read as.
    private mutating func noteForms() {
        var counts: [(form: String, type: GGMLType, count: Int)] = []
        for (_, entry) in packed.sorted(by: { $0.key < $1.key }) {
            guard let matrix = entry.packing else { continue }
            if let place = counts.firstIndex(where: { $0.form == matrix.description && $0.type == entry.type }
            ) {
                counts[place].count += 1
            } else {
                counts.append((matrix.description, entry.type, 1))
            }
        }
        for (form, type, count) in counts {
            notes.append(
                CheckpointNote(
                    path: FilePath.folder(of: path),
                    "\(count == 1 ? "1 matrix is" : "\(count) matrices are") stored as \(form), read as \(type) with the "
                        + "same values"))
        }
    }

    /// Throws where config.json names a method whose tensors are not read.
    private func refuseMethod() throws(CheckpointError) {
        let quantization = configuration["quantization_config"]
        guard let method = quantization?["quant_method"]?.text else { return }
        let advice = "start from the original, unquantized checkpoint"
        guard method != "compressed-tensors" else {
            throw CheckpointError(
                .unsupported, path: path, subject: "'format'",
                "is '\(quantization?["format"]?.text ?? "")' of compressed-tensors; integers in pack-quantized, "
                    + "int-quantized and naive-quantized are read", advice: advice)
        }
        throw CheckpointError(
            .unsupported, path: path, subject: "'quant_method'",
            "is '\(method)', whose weights cannot be read; compressed-tensors and MLX's affine codes can",
            advice: advice)
    }

    // MARK: - Parts

    /// A tensor's file and entry; nil where there is none.
    func part(_ name: String) -> (file: SafetensorsFile, entry: SafetensorsFile.Entry)? { stored[name] }

    /// A part that must be there, of plain numbers and `shape`.
    func numbers(
        _ name: String, shape: [Int], of matrix: String
    ) throws(CheckpointError) -> TensorEntry {
        guard let (file, entry) = stored[name] else {
            throw CheckpointError(
                .missing, path: stored[matrix]?.file.file.path ?? path, subject: "tensor '\(name)'",
                "is missing, which \(matrix) cannot be read without", advice: "the download may be incomplete"
            )
        }
        guard entry.type.isFloat, let type = entry.type.ggmlType else {
            throw CheckpointError(
                .unsupported, path: file.file.path, subject: "tensor '\(name)'",
                "has elements of type \(entry.type.rawValue); F32, F16 and BF16 are read")
        }
        // One for each row may stand in a vector.
        guard entry.shape == shape || (shape.last == 1 && entry.shape == Array(shape.dropLast())) else {
            throw inconsistent(name, "is \(entry.shape.extents), expected \(shape.extents) for \(matrix)")
        }
        return TensorEntry(name: name, shape: shape, type: type, file: file.file, range: entry.range)
    }

    /// Throws where an extent is 0, or so large that products of them overflow.
    func checkExtents(_ extents: [Int], of name: String) throws(CheckpointError) {
        guard extents.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
            throw inconsistent(name, "has the extents \(extents.extents)")
        }
    }

    func inconsistent(_ name: String, _ problem: String) -> CheckpointError {
        CheckpointError(
            .inconsistent, path: stored[name]?.file.file.path ?? path, subject: "tensor '\(name)'", problem)
    }
}

extension SafetensorsType {
    /// Whether elements are numbers as ordinary checkpoints have them.
    var isFloat: Bool { [.f64, .f32, .f16, .bf16].contains(self) }
}
