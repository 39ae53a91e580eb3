internal import NibbleNumerics

/// Lays out a file for gemma.cpp, in the form whose directory stands at the head, which every version reads.
extension CheckpointLayout {
    /// A file at `path`.
    ///
    /// - Parameters:
    ///   - configuration: the blob `config`.
    ///   - tokenizer: the whole `tokenizer.model`.
    ///   - tensors: the blobs, in order.
    /// - Returns: the layout, with a placement for each of `tensors`.
    static func sbs(
        path: String, configuration: [UInt8], tokenizer: [UInt8], tensors: [SBSTensor]
    ) -> CheckpointLayout {
        var toc = SBSFieldWriter()
        for tensor in tensors { tensor.add(to: &toc) }
        let small: [(name: String, bytes: [UInt8])] = [
            ("config", configuration), ("tokenizer", tokenizer), ("toc", toc.bytes),
        ]
        let sizes =
            small.map { ($0.name, $0.bytes.count) }
            + tensors.map { ($0.name, $0.rows * $0.columns * ($0.type.elementBytes ?? 0)) }
        func aligned(_ count: Int, to unit: Int = SBSFile.alignment) -> Int {
            (count + unit - 1) / unit * unit
        }
        let start = aligned(16 + 32 * sizes.count)
        var (offset, offsets) = (start, [Int]())
        for (_, size) in sizes {
            offsets.append(offset)
            offset = aligned(offset + size)
        }
        let size = aligned(offset, to: SBSFile.endAlignment)
        var header: [UInt8] = []
        func append(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.littleEndian) { header += $0 }
        }
        append(SBSFile.magic)
        append(UInt32(sizes.count))
        append(UInt64(size))
        for (name, _) in sizes {
            precondition((1...16).contains(name.utf8.count), "'\(name)' is no key of 16 bytes")
            header += Array(name.utf8) + [UInt8](repeating: 0, count: 16 - name.utf8.count)
        }
        for (place, (_, size)) in zip(offsets, sizes) {
            append(UInt64(place))
            append(UInt64(size))
        }
        for (index, blob) in small.enumerated() {
            header += [UInt8](repeating: 0, count: offsets[index] - header.count) + blob.bytes
        }
        return CheckpointLayout(
            folder: FilePath.folder(of: path), isFolder: false,
            files: [File(name: FilePath.name(of: path), header: header, size: size)],
            placements: offsets[small.count...].map { Placement(file: 0, offset: $0) }, companions: [])
    }

    /// A file of gemma.cpp at `path` for a model.
    ///
    /// - Parameters:
    ///   - tensors: by the names of ``sbsName(of:)``: BF16, F32, or for SFP8 bytes (I8).
    /// - Throws: ``CheckpointError`` where gemma.cpp does not compute the model, or there is no `tokenizer.model` for it.
    package static func sbs(
        path: String, model: ModelCheckpoint, tensors: [Tensor]
    ) throws(CheckpointError) -> CheckpointLayout {
        let configuration = model.configuration
        let (head, pairs) = (configuration.headDimension, 2 * configuration.keyValueHeadCount)
        var blobs: [SBSTensor] = []
        // The blob of each tensor, and where its rows begin there.
        var places: [(blob: Int, row: Int)] = []
        for tensor in tensors {
            let type: SBSType =
                switch tensor.type {
                case .f32: .f32
                case .bf16: .bf16
                default: .sfp
                }
            var name = tensor.name
            let isValue = name.hasSuffix(valueMark)
            for mark in [keyMark, valueMark] { name = name.droppingSuffix(mark) }
            if name != tensor.name, let other = blobs.firstIndex(where: { $0.name == name }) {
                places.append((other, isValue ? head : 0))
                continue
            }
            let rows = name != tensor.name ? pairs * head : tensor.shape.count == 1 ? 1 : tensor.shape[0]
            places.append((blobs.count, isValue ? head : 0))
            blobs.append(SBSTensor(name: name, type: type, rows: rows, columns: tensor.shape.last ?? 1))
        }
        let weight = blobs.map(\.type).min { ($0.elementBytes ?? 0) < ($1.elementBytes ?? 0) } ?? .bf16
        let (tokenizer, hasTemplate) = try sentencePiece(of: model)
        let own = try SBSConfiguration(
            configuration, weight: weight, hasChatTemplate: hasTemplate, path: model.path)
        var layout = sbs(path: path, configuration: own.bytes, tokenizer: tokenizer, tensors: blobs)
        let starts = layout.placements
        layout.placements = zip(tensors, places).map { tensor, place in
            let width = blobs[place.blob].columns * (blobs[place.blob].type.elementBytes ?? 1)
            var placement = starts[place.blob]
            placement.offset += place.row * width
            if tensor.name != blobs[place.blob].name {
                placement.runs = RowRuns(rows: head, stride: 2 * head * width)
            }
            return placement
        }
        return layout
    }

    private static let (keyMark, valueMark) = (".k", ".v")

    /// What a tensor is called in ``sbs(path:model:tensors:)``: keys and values apart, which are one tensor in the file; nil
    /// where gemma.cpp has none such.
    package static func sbsName(of role: TensorRole) -> String? {
        SBSNames.name(of: role).map { name in
            switch role.kind {
            case .attentionKey: name + keyMark
            case .attentionValue: name + valueMark
            default: name
            }
        }
    }

    /// `tokenizer.model`, and whether the model has a chat template.
    private static func sentencePiece(
        of model: ModelCheckpoint
    ) throws(CheckpointError) -> (bytes: [UInt8], hasTemplate: Bool) {
        let vocabulary: Vocabulary
        switch model.source {
        case .gguf(let metadata), .sbs(let metadata):
            vocabulary = try Vocabulary(ggufMetadata: metadata, path: model.path)
        case .hub(let description):
            vocabulary = try description.vocabulary()
            let path = FilePath.join(description.folder, "tokenizer.model")
            if FilePath.exists(path) {
                let file = try MappedFile(path: path)
                let bytes = withExtendedLifetime(file) { Array(file.bytes) }
                return (bytes, !vocabulary.chatTemplates.isEmpty)
            }
        }
        let files = try vocabulary.hubFiles(
            architecture: model.configuration.architecture, contextLength: model.configuration.contextLength,
            path: model.path)
        guard let file = files.first(where: { $0.name == "tokenizer.model" }) else {
            throw CheckpointError(
                .unsupported, path: model.path, "has no tokenizer of SentencePiece, which gemma.cpp needs")
        }
        return (file.contents, !vocabulary.chatTemplates.isEmpty)
    }
}
