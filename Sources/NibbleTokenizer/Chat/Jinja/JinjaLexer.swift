/// A part of an expression: a name, a literal or an operator.
enum JinjaToken: Equatable {
    case name(String)
    case string(String)
    case integer(Int)
    case float(Double)
    case symbol(String)
}

/// A template cut into text and tags.
struct JinjaPart {
    var kind: Kind
    /// The line on which it begins, counted from 1.
    var line: Int

    enum Kind {
        /// To be printed as it is.
        case text(String)
        /// `{{ ... }}`
        case output([JinjaToken])
        /// `{% ... %}`
        case block([JinjaToken])
    }
}

/// Cuts a template into text and tags, with `trim_blocks` and `lstrip_blocks`, as chat templates are read (transformers,
/// chat_template_utils.py; jinja2, lexer.py).
struct JinjaLexer {
    let bytes: [UInt8]
    var place = 0
    var line = 1
    private var parts: [JinjaPart] = []
    /// Whether what was consumed before ``place`` ends a line.
    private var isLineStart = true

    /// The parts of a template.
    static func parts(_ source: String) throws(JinjaError) -> [JinjaPart] {
        var lexer = JinjaLexer(source)
        try lexer.run()
        return lexer.parts
    }

    private init(_ source: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count)
        for byte in source.utf8 {
            if byte == UInt8(ascii: "\n"), bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            bytes.append(byte)
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        self.bytes = bytes
    }

    private mutating func run() throws(JinjaError) {
        while let tag = nextTag() {
            addText(place..<tag.start, tag)
            place = tag.start
            skip(2)
            if isSign(at: place) { skip(1) }
            switch tag.kind {
            case UInt8(ascii: "#"):
                let start = line
                while place < bytes.count, !hasPrefix("#}", at: place) { skip(1) }
                guard place < bytes.count else { throw JinjaError(start, "a comment has no end") }
                let isTrimmed = bytes[place - 1] == UInt8(ascii: "-")
                endTag(isTrimmed: isTrimmed, isBlock: bytes[place - 1] != UInt8(ascii: "+"))
            case UInt8(ascii: "{"): try addTag(closing: "}}", isBlock: false)
            default: try addTag(closing: "%}", isBlock: true)
            }
        }
        addText(place..<bytes.count, nil)
    }

    // MARK: Text

    private struct Tag {
        var start: Int
        var kind: UInt8
    }

    private func nextTag() -> Tag? {
        var index = place
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "{"), [UInt8]("{%#".utf8).contains(bytes[index + 1]) {
                return Tag(start: index, kind: bytes[index + 1])
            }
            index += 1
        }
        return nil
    }

    /// Adds the text before `tag`, without the space that the tag takes away.
    private mutating func addText(_ range: Range<Int>, _ tag: Tag?) {
        var end = range.upperBound
        if let tag {
            let sign = tag.start + 2 < bytes.count ? bytes[tag.start + 2] : 0
            if sign == UInt8(ascii: "-") {
                while end > range.lowerBound, isSpace(bytes[end - 1]) { end -= 1 }
            } else if sign != UInt8(ascii: "+"), tag.kind != UInt8(ascii: "{") {
                var start = end
                while start > range.lowerBound, bytes[start - 1] != UInt8(ascii: "\n") { start -= 1 }
                let isWholeLine = start > range.lowerBound || isLineStart
                if isWholeLine, bytes[start..<end].allSatisfy(isSpace) { end = start }
            }
        }
        if end > range.lowerBound {
            let text = String(decoding: bytes[range.lowerBound..<end], as: UTF8.self)
            parts.append(JinjaPart(kind: .text(text), line: line))
        }
        skip(range.upperBound - place)
    }

    /// Passes the end of a tag, which is at ``place``, and the space that it takes away.
    private mutating func endTag(isTrimmed: Bool, isBlock: Bool) {
        skip(2)
        isLineStart = false
        if isTrimmed {
            while place < bytes.count, isSpace(bytes[place]) {
                isLineStart = bytes[place] == UInt8(ascii: "\n")
                skip(1)
            }
        } else if isBlock, place < bytes.count, bytes[place] == UInt8(ascii: "\n") {
            skip(1)
            isLineStart = true
        }
    }

    mutating func skip(_ count: Int) {
        for byte in bytes[place..<min(place + count, bytes.count)] where byte == UInt8(ascii: "\n") {
            line += 1
        }
        place = min(place + count, bytes.count)
    }

    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    func isSign(at index: Int) -> Bool {
        index < bytes.count && (bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+"))
    }

    func hasPrefix(_ text: String, at index: Int) -> Bool {
        index <= bytes.count && bytes[index...].starts(with: text.utf8)
    }

    // MARK: Tags

    private mutating func addTag(closing: String, isBlock: Bool) throws(JinjaError) {
        let start = line
        var tokens: [JinjaToken] = []
        var open: [String] = []
        while true {
            while place < bytes.count, isSpace(bytes[place]) { skip(1) }
            guard place < bytes.count else { throw JinjaError(start, "a tag has no '\(closing)'") }
            if open.isEmpty {
                if hasPrefix(closing, at: place) {
                    endTag(isTrimmed: false, isBlock: isBlock)
                    break
                }
                if isSign(at: place), hasPrefix(closing, at: place + 1) {
                    let isTrimmed = bytes[place] == UInt8(ascii: "-")
                    skip(1)
                    endTag(isTrimmed: isTrimmed, isBlock: false)
                    break
                }
            }
            let token = try nextToken()
            if case .symbol(let symbol) = token {
                if ["(", "[", "{"].contains(symbol) { open.append(symbol) }
                if [")", "]", "}"].contains(symbol) {
                    let expected = ["(": ")", "[": "]", "{": "}"][open.popLast() ?? ""]
                    guard expected == symbol else { throw JinjaError(line, "'\(symbol)' closes nothing") }
                }
            }
            tokens.append(token)
        }
        if isBlock, tokens == [.name("raw")] { return try addRaw(start) }
        parts.append(JinjaPart(kind: isBlock ? .block(tokens) : .output(tokens), line: start))
    }

    /// Takes all up to `{% endraw %}` as text.
    private mutating func addRaw(_ start: Int) throws(JinjaError) {
        let first = place
        while let tag = nextTag() {
            skip(tag.start - place)
            var index = tag.start + 2
            if isSign(at: index) { index += 1 }
            while index < bytes.count, isSpace(bytes[index]) { index += 1 }
            guard tag.kind == UInt8(ascii: "%"), hasPrefix("endraw", at: index) else {
                skip(2)
                continue
            }
            index += 6
            while index < bytes.count, isSpace(bytes[index]) { index += 1 }
            let sign = isSign(at: index) ? bytes[index] : 0
            if sign != 0 { index += 1 }
            guard hasPrefix("%}", at: index) else {
                skip(2)
                continue
            }
            let end = place
            (place, line) = (first, start)
            addText(first..<end, tag)
            skip(index - end)
            endTag(isTrimmed: sign == UInt8(ascii: "-"), isBlock: sign == 0)
            return
        }
        throw JinjaError(start, "'raw' has no 'endraw'")
    }
}
