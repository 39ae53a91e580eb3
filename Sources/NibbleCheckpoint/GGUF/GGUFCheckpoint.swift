/// A model in GGUF form: one file, or the shards that `llama-gguf-split` makes
/// (`name-00001-of-00003.gguf`, opened by the first).
public struct GGUFCheckpoint: Sendable {
    /// The path as it was opened.
    public let path: String
    /// The files in order.
    public let files: [GGUFFile]
    /// The key-value pairs of the model, those of the split left out.
    public let metadata: GGUFMetadata
    /// The tensors of all files in order; names are unique.
    public let tensors: [TensorEntry]

    /// Opens the file at `path` and, where it is the first of a split, the others beside it.
    public init(path: String) throws(CheckpointError) {
        let first = try GGUFFile(path: path)
        let split = try Split(first.metadata, path: path)
        if let split, split.number != 0 {
            throw CheckpointError(
                .invalidRequest, path: path, "is part \(split.number + 1) of \(split.count) of a split model",
                advice: "open the first part, whose name ends in -00001-of-\(Split.digits(split.count)).gguf")
        }
        var files = [first]
        if let split, split.count > 1 {
            for number in 1..<split.count { files.append(try Self.openPart(number, of: split, first: path)) }
        }
        var metadata = first.metadata
        for key in [GGUFKey.splitNumber, GGUFKey.splitCount, GGUFKey.splitTensorCount] {
            metadata.remove(key)
        }
        self.path = path
        self.files = files
        self.metadata = metadata
        tensors = files.flatMap(\.tensors)
        try checkUnion(split)
    }

    private static func openPart(
        _ number: Int, of split: Split, first path: String
    ) throws(CheckpointError) -> GGUFFile {
        guard let prefix = Split.prefix(of: path, count: split.count) else {
            throw CheckpointError(
                .missing, path: path,
                "is the first of \(split.count) parts, but its name does not end in "
                    + "-00001-of-\(Split.digits(split.count)).gguf, so the others cannot be found",
                advice: "restore the original name")
        }
        let partPath = Split.path(prefix: prefix, number: number, count: split.count)
        let file = try GGUFFile(path: partPath)
        guard let found = try Split(file.metadata, path: partPath), found.number == number,
            found.count == split.count
        else {
            throw CheckpointError(
                .inconsistent, path: partPath, subject: "key '\(GGUFKey.splitNumber)'",
                "is not part \(number + 1) of \(split.count) of the model that \(path) begins")
        }
        return file
    }

    private func checkUnion(_ split: Split?) throws(CheckpointError) {
        if let total = split?.tensorCount, total != tensors.count {
            throw CheckpointError(
                .inconsistent, path: path, subject: "key '\(GGUFKey.splitTensorCount)'",
                "announces \(total) tensors, the parts hold \(tensors.count)")
        }
        var names: Set<String> = []
        for tensor in tensors where !names.insert(tensor.name).inserted {
            throw CheckpointError(
                .inconsistent, path: tensor.file.path, subject: "tensor '\(tensor.name)'",
                "occurs in another part as well")
        }
    }

    /// The place of a file in a split model.
    struct Split {
        /// From 0.
        var number: Int
        var count: Int
        var tensorCount: Int?

        /// Nil where the file is not part of a split.
        init?(_ metadata: GGUFMetadata, path: String) throws(CheckpointError) {
            guard let count = try metadata.value(GGUFKey.splitCount) else { return nil }
            let number = try metadata.value(GGUFKey.splitNumber)
            guard case .uint16(let count) = count, case .uint16(let number)? = number, number < max(count, 1)
            else {
                throw CheckpointError(
                    .malformed, path: path, subject: "key '\(GGUFKey.splitNumber)'",
                    "split.no and split.count must be uint16, split.no below split.count")
            }
            self.number = Int(number)
            self.count = Int(count)
            tensorCount = try metadata.value(GGUFKey.splitTensorCount)?.integer
        }

        static func digits(_ number: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }

        /// The path of part `number` (from 0).
        static func path(prefix: String, number: Int, count: Int) -> String {
            "\(prefix)-\(digits(number + 1))-of-\(digits(count)).gguf"
        }

        /// What stands before `-00001-of-0000N.gguf`; nil where the path does not end so.
        static func prefix(of path: String, count: Int) -> String? {
            let ending = "-00001-of-\(digits(count)).gguf"
            return path.hasSuffix(ending) ? String(path.dropLast(ending.count)) : nil
        }
    }
}
