public import NibbleCheckpoint

/// Turns text into the tokens of a model and back.
///
/// ```swift
/// let tokenizer = try Tokenizer(path: "gemma-3-270m.gguf")
/// let tokens = tokenizer.encode("Hello world", addingSpecial: true, parsingSpecial: false)
/// print(tokens, String(decoding: tokenizer.decode(tokens), as: UTF8.self))
/// ```
///
/// Tokens are those of llama.cpp (`llama_tokenize`), for any text and any bytes, wherever the vocabulary comes
/// from. What differs from it, and from the `tokenizers` library, on purpose:
/// - a U+2581 in a text beside spaces is not part of a run of spaces (Gemma has tokens for these); the
///   `tokenizers` library takes both for the same;
/// - bytes for which a byte-level vocabulary has no token (SmolLM2 lacks some control characters) are left out
///   after merging, in `tokenizers` before;
/// - where `tokenizer.json` asks for Unicode normalization (Qwen 2: NFC), llama.cpp has none, and neither has
///   this;
/// - texts of special tokens are cut out by length before all else, not from left to right;
/// - characters beyond U+10FFFF and bytes without a token, for which llama.cpp ends with an exception, become
///   replacement characters and the token for the unknown.
///
/// A value is immutable and may encode on many threads at once. It holds tables of about 200 bytes a token.
public struct Tokenizer: Sendable {
    /// The vocabulary as it was read.
    public let vocabulary: Vocabulary
    let roles: TokenRoles
    let model: Model
    /// Cuts out tokens that are always special, and all of them.
    private let userDefinedPartition: SpecialPartition
    private let specialPartition: SpecialPartition
    /// The bytes of all tokens, one after the other, and where each starts; one start more than tokens.
    let pieces: [UInt8]
    let pieceStarts: [Int]

    /// The two tokenizer families.
    enum Model: Sendable {
        case sentencePiece(SentencePieceTables, addsSpace: Bool)
        case byteLevelBPE(ByteLevelTables)
    }

    /// Prepares a vocabulary for encoding.
    ///
    /// - Parameter path: Where the vocabulary comes from, for errors.
    /// - Throws: ``CheckpointError`` where the pre-tokenizer is not known (the message lists those that are), or
    ///   where the vocabulary lacks tokens that it needs.
    /// - Complexity: `O(bytes of the vocabulary)`; about half a second for Gemma's 262144 tokens.
    public init(_ vocabulary: Vocabulary, path: String) throws(CheckpointError) {
        self.vocabulary = vocabulary
        let index = TokenIndex(vocabulary.tokens)
        if let (first, second) = index.duplicate {
            throw CheckpointError(
                .inconsistent, path: path, subject: "tokenizer",
                "has the same tokens \(first) and \(second): '\(vocabulary.tokens[first])'")
        }
        let addsBeginning =
            switch vocabulary.model {
            case .sentencePiece: true
            case .byteLevelBPE(let name): PreTokenizer.isLlama3Family(name)
            }
        let roles = try TokenRoles(vocabulary, index: index, addsBeginning: addsBeginning, path: path)
        self.roles = roles
        switch vocabulary.model {
        case .sentencePiece:
            model = .sentencePiece(
                try SentencePieceTables(vocabulary, index: index, unknown: roles.unknown, path: path),
                addsSpace: vocabulary.addsSpacePrefix ?? true)
        case .byteLevelBPE(let name):
            model = .byteLevelBPE(
                try ByteLevelTables(vocabulary, index: index, preTokenizer: name, path: path))
        }
        let special = vocabulary.tokens.indices.filter {
            !roles.attributes[$0].isDisjoint(with: .special)
        }.map { (token: Int32($0), text: Array(vocabulary.tokens[$0].utf8)) }
        specialPartition = SpecialPartition(special)
        userDefinedPartition = SpecialPartition(
            special.filter { roles.attributes[Int($0.token)].isDisjoint(with: .hidden) })
        (pieces, pieceStarts) = Self.pieces(vocabulary, roles.attributes)
    }

    /// Prepares the vocabulary of a model.
    ///
    /// - Throws: ``CheckpointError`` where the tokenizer cannot be read, and as ``init(_:path:)`` does.
    public init(_ model: ModelCheckpoint) throws(CheckpointError) {
        switch model.source {
        case .gguf(let metadata), .sbs(let metadata):
            try self.init(Vocabulary(ggufMetadata: metadata, path: model.path), path: model.path)
        case .hub(let description):
            try self.init(try description.vocabulary(), path: model.path)
        }
    }

    /// Reads the tokenizer of a `.gguf` file, of a hub folder, whose weights need not be there, or of an `.sbs` file.
    ///
    /// - Throws: ``CheckpointError`` where the tokenizer cannot be read, and as ``init(_:path:)`` does.
    public init(path: String) throws(CheckpointError) {
        switch CheckpointForm(path: path) {
        case .hub:
            let folder = FilePath.isFolder(path) ? path : FilePath.folder(of: path)
            try self.init(try HubDescription(folder: folder).vocabulary(), path: path)
        case .sbs: try self.init(ModelCheckpoint(path: path))
        case .gguf:
            let metadata = try GGUFCheckpoint(path: path).metadata
            try self.init(Vocabulary(ggufMetadata: metadata, path: path), path: path)
        }
    }

    /// How many tokens there are.
    public var vocabularySize: Int { vocabulary.tokens.count }
    /// The token for the beginning of a sequence.
    public var beginning: Int32? { roles.beginning }
    /// The token for the end of a sequence.
    public var end: Int32? { roles.end }
    /// The token for the end of a turn; found by its text where the file does not say.
    public var endOfTurn: Int32? { roles.endOfTurn }
    /// The token for what the vocabulary cannot express.
    public var unknown: Int32? { roles.unknown }
    /// The tokens after which no more should be generated: named by the file, or found by their text.
    public var endsOfGeneration: Set<Int32> { roles.endsOfGeneration }
    /// Whether ``encode(_:addingSpecial:parsingSpecial:)-(String,_,_)`` puts ``beginning`` before a text.
    public var addsBeginning: Bool { roles.addsBeginning }
    /// Whether ``encode(_:addingSpecial:parsingSpecial:)-(String,_,_)`` puts ``end`` after a text.
    public var addsEnd: Bool { roles.addsEnd }
}

extension Tokenizer {
    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - addingSpecial: Whether to put ``beginning`` before and ``end`` after, where the model wants them.
    ///   - parsingSpecial: Whether texts of control tokens in the text (`<end_of_turn>`) become these tokens;
    ///     only for texts that you trust.
    public func encode(_ text: String, addingSpecial: Bool, parsingSpecial: Bool) -> [Int32] {
        var text = text
        return text.withUTF8 {
            encode(UnsafeRawBufferPointer($0), addingSpecial: addingSpecial, parsingSpecial: parsingSpecial)
        }
    }

    /// The tokens of bytes that need not be valid UTF-8.
    public func encode(_ bytes: [UInt8], addingSpecial: Bool, parsingSpecial: Bool) -> [Int32] {
        bytes.withUnsafeBytes { encode($0, addingSpecial: addingSpecial, parsingSpecial: parsingSpecial) }
    }

    /// The tokens of bytes that need not be valid UTF-8.
    ///
    /// - Complexity: Linear for texts in which words repeat, and `O(n log n)` with 28 bytes of memory a byte
    ///   within stretches that merges can cross, as one line of a single letter.
    public func encode(
        _ bytes: UnsafeRawBufferPointer, addingSpecial: Bool, parsingSpecial: Bool
    ) -> [Int32] {
        bytes.withMemoryRebound(to: UInt8.self) { bytes in
            var output: [Int32] = []
            output.reserveCapacity(bytes.count / 4 + 2)
            if addingSpecial, addsBeginning, let beginning { output.append(beginning) }
            let partition = parsingSpecial ? specialPartition : userDefinedPartition
            switch model {
            case .sentencePiece(let tables, let addsSpace):
                var encoder = SentencePieceEncoder(tables, textLength: bytes.count)
                var isAfterSpecial = true
                partition.forEachPart(bytes) { range in
                    encoder.encode(
                        UnsafeBufferPointer(rebasing: bytes[range]), addingSpace: addsSpace && isAfterSpecial,
                        to: &output)
                    isAfterSpecial = false
                } token: { token in
                    output.append(token)
                    isAfterSpecial = true
                }
            case .byteLevelBPE(let tables):
                var encoder = ByteLevelEncoder(tables, textLength: bytes.count)
                partition.forEachPart(bytes) { range in
                    encoder.encode(UnsafeBufferPointer(rebasing: bytes[range]), to: &output)
                } token: { token in
                    output.append(token)
                }
            }
            if addingSpecial, addsEnd, let end { output.append(end) }
            return output
        }
    }
}
