/// The weights of a hub folder: the shards that `model.safetensors.index.json` lists, or `model.safetensors`, or shards
/// without an index, all of which must be there.
public struct SafetensorsCheckpoint: Sendable {
    /// The file, or the index; of shards without one, the folder.
    public let path: String
    /// The files in the order of their names.
    public let files: [SafetensorsFile]
    /// The tensors of all files; names are unique.
    public let tensors: [TensorEntry]

    /// What the user should know before relying on the weights.
    private(set) var notes: [CheckpointNote] = []

    /// Free text beside the tensors: of a key in several shards, what the first says.
    var metadata: [String: String] {
        files.reduce(into: [:]) { metadata, file in metadata.merge(file.metadata) { first, _ in first } }
    }

    static let fileName = "model.safetensors"
    static let indexName = "model.safetensors.index.json"

    /// Opens a `.safetensors` file, an index, or the weights of a folder.
    public init(path: String) throws(CheckpointError) {
        guard FilePath.isFolder(path) else {
            if path.hasSuffix(".json") {
                try self.init(index: path)
            } else {
                try self.init(path: path, files: [try SafetensorsFile(path: path)])
            }
            return
        }
        let (index, single) = (FilePath.join(path, Self.indexName), FilePath.join(path, Self.fileName))
        if FilePath.exists(index) {
            try self.init(index: index)
            let listed = Set(files.map { FilePath.name(of: $0.file.path) })
            // As llama.cpp's converter does.
            if FilePath.exists(single), !listed.contains(Self.fileName) {
                notes.append(
                    CheckpointNote(
                        path: single,
                        "is left out: the weights are those that \(Self.indexName) lists (transformers would take "
                            + "this file)"))
            }
            let others = try FilePath.contents(of: path).filter {
                ShardName($0) != nil && !listed.contains($0)
            }
            if !others.isEmpty {
                notes.append(
                    CheckpointNote(
                        path: index,
                        "does not list all shards; left out (\(others.count)): \(others.listed(3))"))
            }
        } else if FilePath.exists(single) {
            try self.init(path: single, files: [try SafetensorsFile(path: single)])
        } else {
            try self.init(shardsOf: path)
        }
    }

    /// Shards that no index lists, as llama.cpp's converter reads them; their names say how many there must be.
    private init(shardsOf folder: String) throws(CheckpointError) {
        let names = try FilePath.contents(of: folder).compactMap(ShardName.init)
        guard let first = names.first else { throw try FolderDiagnosis(folder).noWeights }
        if let other = names.first(where: { $0.prefix != first.prefix || $0.count != first.count }) {
            throw CheckpointError(
                .inconsistent, path: folder,
                "has shards of two sets, such as \(first.name) and \(other.name), and no \(Self.indexName)",
                advice: "move those away that are not meant")
        }
        let numbers = Set(names.map(\.number))
        let missing = (1...first.count).filter { !numbers.contains($0) }
        guard missing.isEmpty else {
            throw CheckpointError(
                .missing, path: folder,
                "has \(names.count) of \(first.count) shards; missing: "
                    + missing.prefix(1000).map { first.with(number: $0).name }.listed(3),
                advice: "the download may be incomplete")
        }
        var files: [SafetensorsFile] = []
        for name in names { files.append(try SafetensorsFile(path: FilePath.join(folder, name.name))) }
        try self.init(path: folder, files: files)
        notes.append(
            CheckpointNote(
                path: folder, "has no \(Self.indexName); all \(first.count) shards are read"))
    }

    /// `model-00002-of-00003.safetensors`, or with a variant: `model.fp16-00002-of-00003.safetensors`.
    struct ShardName {
        var prefix: String
        var number: Int
        var count: Int

        init?(_ name: String) {
            let ending = ".safetensors"
            guard name.hasPrefix("model"), name.hasSuffix(ending) else { return nil }
            let parts = name.dropLast(ending.count).split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count >= 4, parts[parts.count - 2] == "of", parts[parts.count - 3].count == 5,
                let count = Int(parts[parts.count - 1]), let number = Int(parts[parts.count - 3]),
                (1...99_999).contains(count), (1...count).contains(number)
            else { return nil }
            prefix = parts.dropLast(3).joined(separator: "-")
            (self.number, self.count) = (number, count)
            guard self.name == name else { return nil }
        }

        var name: String {
            "\(prefix)-\(GGUFCheckpoint.Split.digits(number))-of-\(GGUFCheckpoint.Split.digits(count)).safetensors"
        }

        func with(number: Int) -> ShardName {
            var name = self
            name.number = number
            return name
        }
    }

    private init(index path: String) throws(CheckpointError) {
        let json = try JSONParser.parse(path: path)
        guard let map = json["weight_map"]?.members, !map.isEmpty else {
            let isIndex = path.hasSuffix(".index.json")
            throw CheckpointError(
                .malformed, path: path, subject: isIndex ? "'weight_map'" : nil,
                isIndex ? "is missing or empty" : "is no index of shards",
                advice: isIndex ? nil : "name the folder, \(FilePath.folder(of: path))")
        }
        let folder = FilePath.folder(of: path)
        var expected: [String: [String]] = [:]
        for member in map {
            guard let name = member.value.text, FilePath.isPlainName(name) else {
                throw CheckpointError(
                    .malformed, path: path, subject: "tensor '\(member.name)'",
                    "is in \(member.value.text.map { "'\($0)'" } ?? "no file"), expected a file name without a path"
                )
            }
            expected[name, default: []].append(member.name)
        }
        var files: [SafetensorsFile] = []
        for (name, tensors) in expected.sorted(by: { $0.key < $1.key }) {
            let shard = FilePath.join(folder, name)
            guard FilePath.exists(shard) else {
                throw CheckpointError(
                    .missing, path: shard,
                    "the shard is missing (\(tensors.count) tensors, listed in \(path))",
                    advice: "the download may be incomplete")
            }
            let file = try SafetensorsFile(path: shard)
            let found = Set(file.tensors.map(\.name) + file.foreign.map(\.name))
            if let missing = tensors.first(where: { !found.contains($0) }) {
                throw CheckpointError(
                    .inconsistent, path: shard, subject: "tensor '\(missing)'",
                    "is listed in \(path) but not in the shard")
            }
            if let unlisted = found.subtracting(map.lazy.map(\.name)).min() {
                throw CheckpointError(
                    .inconsistent, path: shard, subject: "tensor '\(unlisted)'", "is not listed in \(path)")
            }
            files.append(file)
        }
        try self.init(path: path, files: files)
    }

    private init(path: String, files: [SafetensorsFile]) throws(CheckpointError) {
        self.path = path
        self.files = files
        tensors = files.flatMap(\.tensors)
        var names: Set<String> = []
        for file in files {
            for name in file.tensors.map(\.name) + file.foreign.map(\.name)
            where !names.insert(name).inserted {
                let other =
                    files.first { $0.entries.contains { $0.name == name } }?.file.path ?? "another shard"
                throw CheckpointError(
                    .inconsistent, path: file.file.path, subject: "tensor '\(name)'",
                    "occurs in \(other) as well")
            }
        }
    }
}
