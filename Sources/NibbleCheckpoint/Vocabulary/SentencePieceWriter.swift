/// Writes `tokenizer.model`: a vocabulary as a SentencePiece `ModelProto` (sentencepiece_model.proto) of type
/// BPE without normalization.
struct SentencePieceWriter {
    /// The file.
    let bytes: [UInt8]

    /// Serializes `hub`.
    ///
    /// - Throws: ``CheckpointError`` where SentencePiece would refuse the vocabulary: without exactly one
    ///   token for what is unknown, or with tokens for some bytes but not all.
    init(_ hub: HubVocabulary) throws(CheckpointError) {
        let unknown = try Self.checkKinds(hub)
        var model = ProtobufWriter()
        for token in 0..<hub.count {
            var piece = ProtobufWriter()
            piece.string(1, hub.texts[token])
            piece.float(2, hub.score(token))
            let kind = token == unknown ? .unknown : hub.vocabulary.kinds[token]
            if kind != .normal { piece.integer(3, Int(kind.rawValue)) }
            model.message(1, piece)
        }
        model.message(2, Self.trainerSpecification(hub, unknown))
        var normalizer = ProtobufWriter()
        normalizer.string(1, "identity")
        normalizer.string(2, "")  // precompiled_charsmap
        normalizer.flag(3, hub.addsSpacePrefix)  // add_dummy_prefix
        normalizer.flag(4, false)  // remove_extra_whitespaces
        normalizer.flag(5, true)  // escape_whitespaces
        model.message(3, normalizer)
        bytes = model.bytes
    }

    /// The token for what is unknown.
    private static func checkKinds(_ hub: HubVocabulary) throws(CheckpointError) -> Int {
        func error(_ problem: String) -> CheckpointError {
            CheckpointError(
                .unsupported, path: hub.path, subject: "key '\(TokenizerKey.kinds)'",
                problem + ", which tokenizer.model cannot hold")
        }
        guard let unknown = hub.unknown, unknown < hub.count else {
            throw error("has no token for unknown text")
        }
        let kinds = hub.vocabulary.kinds
        guard kinds.lazy.filter({ $0 == .unknown }).count <= 1 else {
            throw error("has several tokens for unknown text")
        }
        guard hub.fallsBackToBytes || !kinds.contains(.byte) else {
            throw error("has byte tokens other than '<0x00>' to '<0xFF>'")
        }
        return unknown
    }

    private static func trainerSpecification(_ hub: HubVocabulary, _ unknown: Int) -> ProtobufWriter {
        var trainer = ProtobufWriter()
        trainer.integer(3, 2)  // model_type: BPE
        trainer.integer(4, hub.count)  // vocab_size
        trainer.flag(35, hub.fallsBackToBytes)  // byte_fallback
        let special = hub.vocabulary.special
        trainer.integer(40, unknown)
        trainer.integer(41, special.beginning ?? -1)
        trainer.integer(42, special.end ?? -1)
        trainer.integer(43, special.padding ?? -1)
        trainer.string(45, hub.texts[unknown])
        if let text = hub.text(\.beginning) { trainer.string(46, text) }
        if let text = hub.text(\.end) { trainer.string(47, text) }
        if let text = hub.text(\.padding) { trainer.string(48, text) }
        return trainer
    }
}

/// Serializes protocol buffers (https://protobuf.dev/programming-guides/encoding/).
private struct ProtobufWriter {
    var bytes: [UInt8] = []

    mutating func integer(_ field: Int, _ value: Int) {
        tag(field, wire: 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func flag(_ field: Int, _ value: Bool) { integer(field, value ? 1 : 0) }

    mutating func float(_ field: Int, _ value: Float) {
        tag(field, wire: 5)
        bytes.append(littleEndian: value.bitPattern)
    }

    mutating func string(_ field: Int, _ value: String) {
        tag(field, wire: 2)
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    mutating func message(_ field: Int, _ value: ProtobufWriter) {
        tag(field, wire: 2)
        varint(UInt64(value.bytes.count))
        bytes.append(contentsOf: value.bytes)
    }

    private mutating func tag(_ field: Int, wire: Int) { varint(UInt64(field << 3 | wire)) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
