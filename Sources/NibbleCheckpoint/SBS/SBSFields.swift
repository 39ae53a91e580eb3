/// Writes the fields of gemma.cpp's objects as words of 32 bits (`io/fields.cc`): numbers as they are, texts and lists after
/// their length, objects after the number of words that follow.
struct SBSFieldWriter {
    private(set) var words: [UInt32] = []

    /// The words as bytes.
    var bytes: [UInt8] {
        words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    }

    mutating func add(_ number: Int) { words.append(UInt32(truncatingIfNeeded: number)) }
    mutating func add(_ flag: Bool) { words.append(flag ? 1 : 0) }
    mutating func add(_ value: Float) { words.append(value.bitPattern) }

    /// ASCII text, four bytes a word, the last filled with zeros.
    mutating func add(_ text: String) {
        let bytes = Array(text.utf8)
        add((bytes.count + 3) / 4)
        for start in stride(from: 0, to: bytes.count, by: 4) {
            words.append(
                bytes[start..<min(start + 4, bytes.count)].enumerated().reduce(0) {
                    $0 | UInt32($1.element) << UInt32(8 * $1.offset)
                })
        }
    }

    mutating func add(_ texts: [String]) {
        add(texts.count)
        for text in texts { add(text) }
    }

    mutating func add(_ numbers: [Int]) {
        add(numbers.count)
        for number in numbers { add(number) }
    }

    /// An object with fields of its own.
    mutating func object(_ fields: (inout SBSFieldWriter) -> Void) {
        var inner = SBSFieldWriter()
        fields(&inner)
        add(inner.words.count)
        words += inner.words
    }
}

/// Reads such fields. Fields that an older program did not write are zeros at the end of an object; those that a newer one
/// added are left out.
struct SBSFieldReader {
    private let words: [UInt32]
    private var position = 0
    /// Where the object ends that is being read.
    private var end: Int
    private let path: String
    private let subject: String

    /// - Parameter subject: what is read, for errors.
    init(_ bytes: UnsafeRawBufferPointer, path: String, subject: String) throws(CheckpointError) {
        guard bytes.count.isMultiple(of: 4) else {
            throw CheckpointError(
                .malformed, path: path, subject: subject,
                "has \(bytes.count) bytes, expected whole words of 4")
        }
        words = (0..<bytes.count / 4).map {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
        }
        (end, self.path, self.subject) = (words.count, path, subject)
    }

    /// Whether all was read.
    var isAtEnd: Bool { position >= words.count }

    func error(_ problem: String) -> CheckpointError {
        CheckpointError(.malformed, path: path, subject: subject, problem)
    }

    /// The next number; 0 beyond the end of the object.
    mutating func number() -> Int {
        guard position < end else { return 0 }
        defer { position += 1 }
        return Int(words[position])
    }

    mutating func flag() -> Bool { number() != 0 }
    mutating func float() -> Float { Float(bitPattern: UInt32(number())) }

    mutating func text() throws(CheckpointError) -> String {
        let count = number()
        guard count <= 64, position + count <= end else { throw error("holds a text of \(count) words") }
        var bytes = words[position..<position + count].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        }
        position += count
        while bytes.last == 0 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A list of at most 65,536 items.
    mutating func list<Item>(
        _ item: (inout SBSFieldReader) throws(CheckpointError) -> Item
    ) throws(CheckpointError) -> [Item] {
        let count = number()
        guard count <= 65_536, count <= words.count else { throw error("holds a list of \(count) items") }
        var items: [Item] = []
        for _ in 0..<count { items.append(try item(&self)) }
        return items
    }

    /// An object with fields of its own.
    mutating func object<Object>(
        _ fields: (inout SBSFieldReader) throws(CheckpointError) -> Object
    ) throws(CheckpointError) -> Object {
        let count = number()
        guard position + count <= words.count else {
            throw error("holds an object of \(count) words beyond its end")
        }
        let outer = end
        end = position + count
        let object = try fields(&self)
        (position, end) = (end, outer)
        return object
    }
}
