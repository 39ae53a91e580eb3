/// The `tokenizer.` keys of a hub folder in the order of llama.cpp's converter.
struct HubTokenizer {
    private(set) var entries: [(key: String, value: GGUFValue)] = []
    /// What was left out, made up or overruled.
    private(set) var notes: [CheckpointNote]
    /// What a file that is written of it has and the folder has not.
    let outputNotes: [CheckpointNote]
    /// Tokens that the files name and the embedding has no row for, by their numbers.
    let withoutRows: [Int: String]

    init(_ description: HubDescription) throws(CheckpointError) {
        let (folder, configuration, json) = (description.folder, description.configuration, description.json)
        let files = try HubTokenizerFiles(folder: folder, architecture: configuration.architecture)
        let tokens = try HubTokens(files, configuration)
        (notes, outputNotes, withoutRows) = (tokens.notes, tokens.outputNotes, tokens.withoutRows)
        let stated = files.configuration?["add_prefix_space"]?.flag
        // llama.cpp's converter does not ask tokenizer.model; the model was trained with what it says.
        let adds = stated ?? tokens.addsSpacePrefix
        if configuration.architecture != .gemma3, let adds,
            configuration.architecture == .llama || stated == nil
        {
            entries.append((TokenizerKey.addsSpacePrefix, .bool(adds)))
        }
        entries.append((TokenizerKey.model, .string(tokens.model)))
        entries.append((TokenizerKey.preTokenizer, .string(tokens.preTokenizer)))
        entries.append((TokenizerKey.tokens, .strings(tokens.tokens)))
        if let scores = tokens.scores {
            entries.append((TokenizerKey.scores, .array(.float32, scores.map { .float32($0) })))
        }
        entries.append((TokenizerKey.kinds, .array(.int32, tokens.kinds.map { .int32($0.rawValue) })))
        if let merges = tokens.merges { entries.append((TokenizerKey.merges, .strings(merges))) }
        entries += try special(files, json, tokens)
        // The converter forces it for vocabularies of StarCoder's size.
        if configuration.architecture == .llama, configuration.vocabularySize == 49152 {
            entries.removeAll { $0.key == TokenizerKey.addsBeginning }
            entries.append((TokenizerKey.addsBeginning, .bool(false)))
        }
        if configuration.architecture == .gemma3, tokens.scores != nil {
            entries.append((TokenizerKey.addsSpacePrefix, .bool(false)))
        }
    }

    private static let idKeys = [
        "bos": TokenizerKey.beginning, "eos": TokenizerKey.end, "unk": TokenizerKey.unknown,
        "sep": "tokenizer.ggml.seperator_token_id", "pad": TokenizerKey.padding,
        "mask": "tokenizer.ggml.mask_token_id", "eot": TokenizerKey.endOfTurn,
        "eom": "tokenizer.ggml.eom_token_id",
    ]

    private static let additionKeys = [
        "bos": TokenizerKey.addsBeginning, "eos": TokenizerKey.addsEnd, "sep": "tokenizer.ggml.add_sep_token",
    ]

    private mutating func special(
        _ files: HubTokenizerFiles, _ json: JSONValue, _ tokens: HubTokens
    ) throws(CheckpointError) -> [(key: String, value: GGUFValue)] {
        let special = try HubSpecialTokens(files, tokens, configuration: json)
        notes += special.notes
        var entries: [(key: String, value: GGUFValue)] = []
        for (role, id) in special.ids {
            if let key = Self.idKeys[role] { entries.append((key, .uint32(UInt32(clamping: id)))) }
        }
        for (role, adds) in special.additions {
            if let key = Self.additionKeys[role] { entries.append((key, .bool(adds))) }
        }
        let named = special.templates.filter { $0.name != "default" }
        if !named.isEmpty {
            for template in named {
                entries.append(("\(TokenizerKey.chatTemplate).\(template.name)", .string(template.source)))
            }
            entries.append((TokenizerKey.chatTemplateNames, .strings(named.map(\.name))))
        }
        if let template = special.templates.first(where: { $0.name == "default" }) {
            entries.append((TokenizerKey.chatTemplate, .string(template.source)))
        }
        return entries
    }
}
