/// The weights of a hub folder: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
public struct SafetensorsCheckpoint: Sendable {
    /// The file, or the index.
    public let path: String
    /// The files in the order of their names.
    public let files: [SafetensorsFile]
    /// The tensors of all files; names are unique.
    public let tensors: [TensorEntry]

    /// Free text beside the tensors: of a key in several shards, what the first says.
    var metadata: [String: String] {
        files.reduce(into: [:]) { metadata, file in metadata.merge(file.metadata) { first, _ in first } }
    }

    static let fileName = "model.safetensors"
    static let indexName = "model.safetensors.index.json"

    /// Opens a `.safetensors` file, an index, or the weights of a folder.
    public init(path: String) throws(CheckpointError) {
        let path = try Self.weightsPath(path)
        if path.hasSuffix(".json") {
            try self.init(index: path)
        } else {
            let file = try SafetensorsFile(path: path)
            try self.init(path: path, files: [file])
        }
    }

    private static func weightsPath(_ path: String) throws(CheckpointError) -> String {
        guard FilePath.isFolder(path) else { return path }
        for name in [indexName, fileName] where FilePath.exists(FilePath.join(path, name)) {
            return FilePath.join(path, name)
        }
        throw CheckpointError(
            .missing, path: path, "has neither \(fileName) nor \(indexName)",
            advice: "checkpoints in pytorch_model.bin form must be saved as safetensors first")
    }

    private init(index path: String) throws(CheckpointError) {
        guard let map = try JSONParser.parse(path: path)["weight_map"]?.members, !map.isEmpty else {
            throw CheckpointError(.malformed, path: path, subject: "'weight_map'", "is missing or empty")
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
                throw CheckpointError(
                    .inconsistent, path: file.file.path, subject: "tensor '\(name)'",
                    "occurs in another shard as well")
            }
        }
    }
}
