/// The pieces of a SentencePiece `tokenizer.model`: the protobuf `ModelProto` of sentencepiece_model.proto, of
/// which field 1 repeats pieces of text (1), score (2) and type (3); of `TrainerSpec` (field 2) the type of the model (3)
/// and where pieces have their space (24); of `NormalizerSpec` (field 3) what changes a text before it is cut.
struct SentencePieceModel {
    struct Piece {
        var text: String
        var score: Float
        var kind: Vocabulary.TokenKind
    }

    private(set) var pieces: [Piece] = []
    /// What the file asks for and llama.cpp does not do.
    private(set) var notes: [CheckpointNote] = []

    /// - Throws: ``CheckpointError`` where the file is damaged, or its pieces are not merged by their scores.
    init(path: String) throws(CheckpointError) { try self.init(MappedFile(path: path)) }

    /// The same of a file that is open.
    init(_ file: MappedFile) throws(CheckpointError) {
        var reader = ProtobufReader(file, file.bytes.indices)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let range)): pieces.append(try Self.piece(file, range))
            case (1, _): throw reader.error("piece is no message")
            case (2, .bytes(let range)): try Self.checkTrainer(file, range)
            case (3, .bytes(let range)): try readNormalizer(file, range)
            default: continue
            }
        }
        guard !pieces.isEmpty else {
            throw CheckpointError(
                .malformed, path: file.path, "holds no pieces; is this a SentencePiece model?")
        }
    }

    /// Only models of type BPE are cut by the scores of pieces alone; other types give other tokens.
    private static func checkTrainer(_ file: MappedFile, _ range: Range<Int>) throws(CheckpointError) {
        var reader = ProtobufReader(file, range)
        // The default of the format.
        var type: UInt64 = 1
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (3, .varint(let number)): type = number
            case (24, .varint(let flag)) where flag != 0:
                throw CheckpointError(
                    .unsupported, path: file.path, subject: "'treat_whitespace_as_suffix'",
                    "is true; llama.cpp has spaces before words only")
            default: continue
            }
        }
        guard type != 2 else { return }
        let names: [UInt64: String] = [1: "Unigram", 3: "Word", 4: "Char"]
        throw CheckpointError(
            .unsupported, path: file.path, subject: "'model_type'",
            "is \(names[type] ?? String(type)); SentencePiece models are read as BPE",
            advice: "tokens would not be those that the model was trained on")
    }

    private mutating func readNormalizer(_ file: MappedFile, _ range: Range<Int>) throws(CheckpointError) {
        var reader = ProtobufReader(file, range)
        var name = "a table"
        // The defaults of the format.
        var (changesCharacters, addsPrefix, removesSpaces) = (false, true, true)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let bytes)): name = String(decoding: file.bytes[bytes], as: UTF8.self)
            case (2, .bytes(let bytes)): changesCharacters = !bytes.isEmpty
            case (3, .varint(let flag)): addsPrefix = flag != 0
            case (4, .varint(let flag)): removesSpaces = flag != 0
            default: continue
            }
        }
        addsDummyPrefix = addsPrefix
        let wishes = [
            changesCharacters ? "characters are normalized (\(name))" : nil,
            removesSpaces ? "repeated spaces are removed" : nil,
        ].compactMap(\.self)
        guard !wishes.isEmpty else { return }
        notes.append(
            CheckpointNote(
                path: file.path,
                "asks that \(wishes.joined(separator: ", and that ")); llama.cpp does not, and neither does this"
            ))
    }

    /// Whether the file asks for a space before the text.
    private(set) var addsDummyPrefix = true

    private static func piece(_ file: MappedFile, _ range: Range<Int>) throws(CheckpointError) -> Piece {
        var reader = ProtobufReader(file, range)
        var piece = Piece(text: "", score: 0, kind: .normal)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let bytes)):
                guard let text = String(validating: file.bytes[bytes], as: UTF8.self) else {
                    throw reader.error("a piece is not valid UTF-8")
                }
                piece.text = text
            case (2, .fixed32(let bits)):
                piece.score = Float(bitPattern: bits)
                guard piece.score.isFinite else {
                    throw reader.error("the score of '\(piece.text)' is \(piece.score)")
                }
            case (3, .varint(let number)):
                guard let kind = Int32(exactly: number).flatMap(Vocabulary.TokenKind.init) else {
                    throw reader.error("'\(piece.text)' has type \(number), expected 1 to 6")
                }
                piece.kind = kind
            default: break
            }
        }
        return piece
    }
}

/// Reads the fields of a protobuf message (protobuf.dev, encoding), each access checked against its end.
private struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64
        case bytes(Range<Int>)
        case fixed32(UInt32)
    }

    private let file: MappedFile
    private let end: Int
    private var position: Int

    init(_ file: MappedFile, _ range: Range<Int>) {
        self.file = file
        position = range.lowerBound
        end = range.upperBound
    }

    func error(_ problem: String) -> CheckpointError {
        CheckpointError(
            .malformed, path: file.path, offset: position, problem, advice: "the file may be damaged")
    }

    mutating func next() throws(CheckpointError) -> (number: Int, value: Value)? {
        guard position < end else { return nil }
        let tag = try varint()
        guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw error("a field has number \(tag >> 3)") }
        let number = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (number, .varint(try varint()))
        case 1:
            _ = try take(8)
            return (number, .fixed64)
        case 2:
            let length = try varint()
            guard length <= UInt64(end - position) else {
                throw error("a field has \(length) bytes, more than are left")
            }
            return (number, .bytes(try take(Int(length))))
        case 5:
            let range = try take(4)
            let bits = file.bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt32.self)
            return (number, .fixed32(UInt32(littleEndian: bits)))
        default: throw error("a field has wire type \(tag & 7)")
        }
    }

    private mutating func take(_ count: Int) throws(CheckpointError) -> Range<Int> {
        guard count <= end - position else { throw error("the file ends inside a field") }
        position += count
        return position - count..<position
    }

    private mutating func varint() throws(CheckpointError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = file.bytes[try take(1).lowerBound]
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw error("a number has more than ten bytes")
    }
}
