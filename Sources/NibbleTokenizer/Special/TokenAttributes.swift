internal import NibbleCheckpoint

/// What a token is, as a set: llama.cpp adds `control` to tokens that look like it (llama_token_attr).
struct TokenAttributes: OptionSet, Sendable {
    let rawValue: UInt8

    static let normal = TokenAttributes(rawValue: 1)
    static let unknown = TokenAttributes(rawValue: 2)
    static let control = TokenAttributes(rawValue: 4)
    static let userDefined = TokenAttributes(rawValue: 8)
    static let unused = TokenAttributes(rawValue: 16)
    static let byte = TokenAttributes(rawValue: 32)

    /// Tokens that are neither parsed from a text nor shown unless asked for.
    static let hidden: TokenAttributes = [.control, .unknown]
    /// Tokens that are cut out of a text.
    static let special: TokenAttributes = [.control, .unknown, .userDefined]
}

extension TokenAttributes {
    /// The attribute of a kind.
    init(_ kind: Vocabulary.TokenKind) {
        switch kind {
        case .normal: self = .normal
        case .unknown: self = .unknown
        case .control: self = .control
        case .userDefined: self = .userDefined
        case .unused: self = .unused
        case .byte: self = .byte
        }
    }
}
