public import NibbleNumerics

/// A checkpoint to be written: which files, what stands at their head, and where each tensor goes.
///
/// Everything is known before the first weight is read, so that the space can be checked, headers written
/// once, and rows written at their place in any order.
public struct CheckpointLayout: Sendable {
    /// A file with tensors.
    public struct File: Sendable {
        /// The name, without folder.
        public var name: String
        /// What stands before the first tensor.
        public var header: [UInt8]
        /// Bytes in all.
        public var size: Int
    }

    /// Where a tensor goes.
    public struct Placement: Sendable {
        /// Index in ``files``.
        public var file: Int
        /// Byte in the file.
        public var offset: Int
        /// Where rows do not stand one after the other; nil where they do.
        var runs: RowRuns?

        /// Where the rows `rows` begin, each `width` bytes, and how many stand there one after the other.
        package func place(of rows: Range<Int>, width: Int) -> (offset: Int, count: Int) {
            guard let runs else { return (offset + rows.lowerBound * width, rows.count) }
            let (run, row) = (rows.lowerBound / runs.rows, rows.lowerBound % runs.rows)
            return (offset + run * runs.stride + row * width, min(runs.rows - row, rows.count))
        }
    }

    /// Rows that stand in runs, between which are those of other tensors.
    struct RowRuns: Sendable {
        /// Rows of a run.
        var rows: Int
        /// Bytes from the begin of one run to that of the next.
        var stride: Int
    }

    /// A tensor to be placed.
    public struct Tensor: Sendable {
        /// The name in the scheme of the output.
        public var name: String
        /// Extents, slowest first.
        public var shape: [Int]
        /// How elements are stored.
        public var type: GGMLType
        /// Whether integers of 32 bits are words without a sign, as safetensors tell them apart: U32.
        public var isUnsigned = false

        /// Creates a tensor.
        public init(name: String, shape: [Int], type: GGMLType) {
            self.name = name
            self.shape = shape
            self.type = type
        }

        /// Bytes of the tensor; 0 where rows are no whole blocks, which the headers refuse.
        public var byteCount: Int { type.byteCount(elements: shape.reduce(1, *)) ?? 0 }
    }

    /// The folder that will hold the files.
    public var folder: String
    /// Whether ``folder`` itself is the output, to be replaced as a whole.
    public var isFolder: Bool
    /// Files with tensors.
    public var files: [File]
    /// Where each tensor goes, in the order given.
    public var placements: [Placement]
    /// Small files without tensors: configuration, tokenizer, index.
    public var companions: [HubFile]

    /// The path that a user knows the output by.
    public var path: String {
        let name = files.first?.name ?? ""
        return isFolder ? folder : folder == "." ? name : FilePath.join(folder, name)
    }

    /// Bytes of all files.
    public var totalSize: Int {
        files.reduce(0) { $0 + $1.size } + companions.reduce(0) { $0 + $1.contents.count }
    }

    /// Cuts `tensors` into runs of at most `limit` bytes; a tensor that exceeds it stands alone.
    static func runs(_ tensors: [Tensor], limit: Int?, alignment: Int) -> [Range<Int>] {
        guard let limit else { return [0..<tensors.count] }
        var runs: [Range<Int>] = []
        var start = 0
        var size = 0
        for (index, tensor) in tensors.enumerated() {
            let bytes = tensor.byteCount.roundedUp(toMultipleOf: alignment).0
            if index > start, size + bytes > limit {
                runs.append(start..<index)
                start = index
                size = 0
            }
            size += bytes
        }
        runs.append(start..<tensors.count)
        return runs
    }
}

extension CheckpointLayout {
    /// A single file of any kind at `path`.
    package static func file(path: String, header: [UInt8], size: Int) -> CheckpointLayout {
        CheckpointLayout(
            folder: FilePath.folder(of: path), isFolder: false,
            files: [File(name: FilePath.name(of: path), header: header, size: size)], placements: [],
            companions: [])
    }

    /// Small files beside each other in a folder that is there.
    package static func files(_ files: [HubFile], folder: String) -> CheckpointLayout {
        CheckpointLayout(
            folder: folder, isFolder: false,
            files: files.map { File(name: $0.name, header: $0.contents, size: $0.contents.count) },
            placements: [], companions: [])
    }

    /// A GGUF file at `path`; or, with `splitSize` and more than that many bytes of tensors, shards named
    /// `name-00001-of-00003.gguf`, cut as `llama-gguf-split --split-max-size` cuts them.
    public static func gguf(
        path: String, metadata: GGUFMetadata, tensors: [Tensor], splitSize: Int?
    ) throws(CheckpointError) -> CheckpointLayout {
        let runs = runs(tensors, limit: splitSize, alignment: GGUFFile.defaultAlignment)
        guard runs.count <= UInt16.max else {
            throw CheckpointError(
                .invalidRequest, path: path,
                "would be split into \(runs.count) files, at most 65535 are possible",
                advice: "choose a larger --split-max-size")
        }
        let stem = FilePath.name(of: path).droppingSuffix(".gguf")
        var layout = CheckpointLayout(
            folder: FilePath.folder(of: path), isFolder: false, files: [], placements: [], companions: [])
        for (number, run) in runs.enumerated() {
            var metadata = number == 0 ? metadata : GGUFMetadata()
            var name = FilePath.name(of: path)
            if splitSize != nil {
                name = GGUFCheckpoint.Split.path(prefix: stem, number: number, count: runs.count)
                metadata.set(GGUFKey.splitNumber, .uint16(UInt16(number)))
                metadata.set(GGUFKey.splitTensorCount, .int32(Int32(tensors.count)))
                metadata.set(GGUFKey.splitCount, .uint16(UInt16(runs.count)))
            }
            let header = try GGUFHeader(
                metadata: metadata,
                tensors: Array(tensors[run]),
                path: FilePath.join(layout.folder, name))
            layout.placements += header.offsets.map { Placement(file: number, offset: $0) }
            layout.files.append(File(name: name, header: header.bytes, size: header.fileSize))
        }
        return layout
    }

    /// A hub folder at `path`: `model.safetensors`, or shards of at most `splitSize` bytes with their index,
    /// beside `companions`.
    ///
    /// - Parameter metadata: free text beside the tensors of each file, besides the `format` that transformers
    ///   asks for.
    public static func hub(
        path: String, tensors: [Tensor], companions: [HubFile], splitSize: Int?,
        metadata: [(String, String)] = [], format: String = "pt"
    ) throws(CheckpointError) -> CheckpointLayout {
        let runs = runs(tensors, limit: splitSize, alignment: 1)
        var layout = CheckpointLayout(
            folder: FilePath.followingLink(FilePath.trimmingSlashes(path)), isFolder: true, files: [],
            placements: [],
            companions: companions)
        var map: [JSONValue.Member] = []
        for (number, run) in runs.enumerated() {
            let name =
                runs.count == 1
                ? SafetensorsCheckpoint.fileName
                : "model-\(GGUFCheckpoint.Split.digits(number + 1))-of-"
                    + "\(GGUFCheckpoint.Split.digits(runs.count)).safetensors"
            let header = try SafetensorsHeader(
                tensors: Array(tensors[run]), metadata: [("format", format)] + metadata,
                path: FilePath.join(layout.folder, name))
            layout.placements += header.offsets.map { Placement(file: number, offset: $0) }
            layout.files.append(File(name: name, header: header.bytes, size: header.fileSize))
            map += tensors[run].map { .init($0.name, .string(name)) }
        }
        if runs.count > 1 {
            let index = JSONValue.members([
                "metadata": .members(["total_size": .integer(tensors.reduce(0) { $0 + $1.byteCount })]),
                "weight_map": .object(map.sorted { $0.name < $1.name }),
            ])
            layout.companions.append(
                HubFile(name: SafetensorsCheckpoint.indexName, contents: Array(index.serialized().utf8)))
        }
        return layout
    }
}

extension String {
    /// Without an ending, where it has that.
    package func droppingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
