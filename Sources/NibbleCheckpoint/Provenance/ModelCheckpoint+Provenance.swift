extension ModelCheckpoint {
    /// How the weights were trained, where the checkpoint says so; nil where it does not.
    ///
    /// - Throws: ``CheckpointError`` where it says so in part, or a value has the wrong type.
    public func provenance() throws(CheckpointError) -> Provenance? {
        switch source {
        case .gguf(let metadata), .sbs(let metadata): try Provenance(ggufMetadata: metadata, path: path)
        case .hub: try Provenance(safetensorsMetadata: weightsMetadata, path: path)
        }
    }
}

extension GGUFMetadata {
    /// Puts `provenance` at the end, in place of any that is there.
    package mutating func set(_ provenance: Provenance) {
        for key in keys where key.hasPrefix(ProvenanceKey.prefix) { remove(key) }
        for (key, value) in provenance.ggufEntries { set(key, value) }
    }
}
