internal import CLibrary
internal import NibbleCheckpoint

/// A name in Ollama's folder: `[NAMESPACE/]MODEL[:TAG]`.
struct OllamaName: Sendable, CustomStringConvertible {
    let namespace: String
    let model: String
    let tag: String

    init(_ name: String) throws(CheckpointError) {
        let halves = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        (namespace, model) = (parts.count == 2 ? parts[0] : "library", parts.last ?? "")
        tag = halves.count == 2 ? halves[1] : "latest"
        guard parts.count <= 2, [namespace, model, tag].allSatisfy(Self.isPart) else {
            throw CheckpointError(
                .invalidRequest, path: name, "is no name of a model in Ollama",
                advice:
                    "give [NAMESPACE/]MODEL[:TAG] of letters, digits and ._-, such as -o gemma-3-270m:q4_0")
        }
    }

    /// As Ollama's `types/model/name.go` has it.
    private static func isPart(_ part: String) -> Bool {
        guard (1...80).contains(part.utf8.count), let first = part.utf8.first else { return false }
        func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isWord(first)
            && part.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }

    /// A file name for it.
    var fileName: String { "\(namespace)-\(model)-\(tag).gguf" }

    var description: String { (namespace == "library" ? "" : namespace + "/") + model + ":" + tag }
}

/// Ollama's folder of models: files called by their digests, and a manifest for each name.
///
/// | path | |
/// |---|---|
/// | `blobs/sha256-<digest>` | the GGUF file; template, license, parameters, configuration |
/// | `manifests/registry.ollama.ai/NAMESPACE/MODEL/TAG` | JSON that lists them with their media types |
///
/// The manifest is written last: before that Ollama sees nothing. Source: Ollama, `manifest/`, `server/create.go`.
struct OllamaStore {
    let folder: String

    private static let media = "application/vnd.ollama.image."

    /// Moves a GGUF file into the folder and writes what belongs to it.
    func install(
        _ file: String, as name: OllamaName, type: QuantizationType
    ) throws(CheckpointError) {
        let model = try ModelCheckpoint(path: file)
        guard case .gguf(let metadata) = model.source else { preconditionFailure("\(file) is no GGUF file") }
        let own = try OllamaModel(metadata, architecture: model.configuration.architecture, path: file)
        try FilePath.makeFolder(FilePath.join(folder, "blobs"))
        var layers = [try move(file)]
        for (kind, text) in [("template", own.template), ("license", own.license)] {
            if let text { layers.append(try add(Array(text.utf8), kind)) }
        }
        if own.parametersJSON.members?.isEmpty == false {
            layers.append(try add(Array(own.parametersJSON.serialized().utf8), "params"))
        }
        let configuration = configuration(
            model, type, digests: layers.compactMap { $0["digest"] })
        let config = try add(
            Array(configuration.serialized().utf8), media: "application/vnd.docker.container.image.v1+json")
        let manifest = JSONValue.members([
            "schemaVersion": .integer(2), "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": config, "layers": .array(layers),
        ])
        var place = folder
        for part in Self.folders(of: name) {
            place = FilePath.join(place, part)
            try FilePath.makeFolder(place)
        }
        try CheckpointWriter.write(
            Array(manifest.serialized().utf8), to: self.manifest(of: name), replacing: true)
    }

    /// The path of the manifest of a name.
    func manifest(of name: OllamaName) -> String {
        FilePath.join(Self.folders(of: name).reduce(folder, FilePath.join), name.tag)
    }

    private static func folders(of name: OllamaName) -> [String] {
        ["manifests", "registry.ollama.ai", name.namespace, name.model]
    }

    private func configuration(
        _ model: ModelCheckpoint, _ type: QuantizationType, digests: [JSONValue]
    ) -> JSONValue {
        #if arch(arm64)
            let processor = "arm64"
        #else
            let processor = "amd64"
        #endif
        #if os(macOS)
            let system = "darwin"
        #else
            let system = "linux"
        #endif
        let family = JSONValue.string(model.configuration.architecture.rawValue)
        let count = model.tensors.reduce(0) { $0 + $1.entry.elementCount }
        return .members([
            "model_format": "gguf", "model_family": family, "model_families": .array([family]),
            "model_type": .string(Self.text(count)), "file_type": .string(type.rawValue.uppercased()),
            "architecture": .string(processor), "os": .string(system),
            "rootfs": .members(["type": "layers", "diff_ids": .array(digests)]),
        ])
    }

    /// A number of parameters as Ollama writes it: `268.10M`, `4.3B`.
    static func text(_ count: Int) -> String {
        let (unit, letter, digits) = count >= 1_000_000_000 ? (1e9, "B", 1) : (1e6, "M", 2)
        return FixedDecimal.text(Double(count) / unit, digits: digits) + letter
    }

    // MARK: - Blobs

    /// Puts the finished file under its digest.
    private func move(_ file: String) throws(CheckpointError) -> JSONValue {
        let mapped = try MappedFile(path: file)
        let digest = SHA256.hex(mapped)
        let target = path(digest)
        guard rename(file, target) == 0 else {
            throw CheckpointError(.inputOutput, path: target, "cannot move the finished file into place")
        }
        return layer(Self.media + "model", digest, mapped.count)
    }

    private func add(_ bytes: [UInt8], _ kind: String) throws(CheckpointError) -> JSONValue {
        try add(bytes, media: Self.media + kind)
    }

    private func add(_ bytes: [UInt8], media: String) throws(CheckpointError) -> JSONValue {
        let digest = SHA256.hex(bytes)
        try CheckpointWriter.write(bytes, to: path(digest), replacing: true)
        return layer(media, digest, bytes.count)
    }

    private func layer(_ media: String, _ digest: String, _ size: Int) -> JSONValue {
        .members([
            "mediaType": .string(media), "digest": .string("sha256:" + digest), "size": .integer(size),
        ])
    }

    private func path(_ digest: String) -> String {
        FilePath.join(FilePath.join(folder, "blobs"), "sha256-" + digest)
    }
}
