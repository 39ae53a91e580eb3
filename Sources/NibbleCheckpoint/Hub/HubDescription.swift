/// What a hub folder says of its model besides the weights.
public struct HubDescription: Sendable {
    /// The folder.
    public let folder: String
    /// The shape of the model.
    public let configuration: ModelConfiguration
    /// `config.json`
    let json: JSONValue
    /// The path of `config.json`.
    var path: String { FilePath.join(folder, "config.json") }

    /// Reads `config.json`.
    public init(folder: String) throws(CheckpointError) {
        self.folder = folder
        let path = FilePath.join(folder, "config.json")
        guard FilePath.exists(path) else { throw try FolderDiagnosis(folder).noConfiguration }
        json = try JSONParser.parse(path: path)
        configuration = try ModelConfiguration(hubConfiguration: json, path: path)
    }

    /// The metadata of a GGUF file for this model: keys, types, values and order as llama.cpp's converter writes
    /// them (convert_hf_to_gguf.py).
    ///
    /// - Parameters:
    ///   - parameterCount: elements of all tensors that will be written.
    ///   - fileType: the value of `general.file_type`.
    ///   - notes: takes what the user should know of the tokenizer.
    /// - Throws: ``CheckpointError`` where a tokenizer file is missing, damaged or of an unknown kind.
    public func ggufMetadata(
        parameterCount: Int, fileType: UInt32, notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata.set(GGUFKey.architecture, .string(configuration.architecture.rawValue))
        metadata.set("general.type", .string("model"))
        let general = try GeneralMetadata(folder: folder, configuration: json)
        for (key, value) in general.entries(parameterCount: parameterCount) { metadata.set(key, value) }
        for (key, value) in try configuration.ggufEntries(fileType: fileType, path: path) {
            metadata.set(key, value)
        }
        metadata.set(GGUFKey.quantizationVersion, .uint32(2))
        let tokenizer = try HubTokenizer(self)
        for (key, value) in tokenizer.entries { metadata.set(key, value) }
        notes += tokenizer.notes + tokenizer.outputNotes
        return metadata
    }

    /// A flag of the text model; nil where it is not there.
    func flag(_ name: String) -> Bool? { json["text_config"]?[name]?.flag ?? json[name]?.flag }

    /// The tokenizer, read from the folder anew on each call.
    public func vocabulary() throws(CheckpointError) -> Vocabulary {
        var metadata = GGUFMetadata()
        let tokenizer = try HubTokenizer(self)
        for (key, value) in tokenizer.entries { metadata.set(key, value) }
        var vocabulary = try Vocabulary(ggufMetadata: metadata, path: folder)
        vocabulary.notes = tokenizer.notes
        return vocabulary
    }
}
