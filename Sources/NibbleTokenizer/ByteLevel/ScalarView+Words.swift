extension ScalarView {
    /// The end of the word that starts at `start`, as GPT-2 splits (unicode.cpp,
    /// `unicode_regex_split_custom_gpt2`).
    ///
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    func gpt2WordEnd(_ start: Int, _ end: Int) -> Int {
        let first = ascii(start, end)
        if first == UInt8(ascii: "'"), let contraction = contractionEnd(start, end, ignoringCase: false) {
            return contraction
        }
        let word = first == UInt8(ascii: " ") ? start + 1 : start
        let kind = kind(word, end)
        if kind & CharacterClasses.letter != 0 { return runEnd(word, end, of: CharacterClasses.letter) }
        if kind & CharacterClasses.number != 0 { return runEnd(word, end, of: CharacterClasses.number) }
        if kind & CharacterClasses.other != 0 { return runEnd(word, end, of: CharacterClasses.other) }
        return spacesEnd(start, end)
    }

    /// The end of the word that starts at `start`, as Llama 3 and Qwen 2 split (unicode.cpp,
    /// `unicode_regex_split_custom_llama3`, `unicode_regex_split_custom_qwen2`).
    ///
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|`
    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    ///
    /// - Parameter digits: How many digits make a word at most.
    func llama3WordEnd(_ start: Int, _ end: Int, digits: Int) -> Int {
        let first = ascii(start, end)
        if first == UInt8(ascii: "'"), let contraction = contractionEnd(start, end, ignoringCase: true) {
            return contraction
        }
        let kind = kind(start, end)
        if kind & CharacterClasses.number != 0 {
            var position = start
            for _ in 0..<digits where self.kind(position, end) & CharacterClasses.number != 0 {
                position = after(position)
            }
            return position
        }
        let second = after(start)
        let isBreak = Self.isBreak(first)
        let following = self.kind(second, end)
        if !isBreak, (kind | following) & CharacterClasses.letter != 0 {
            return runEnd(second, end, of: CharacterClasses.letter)
        }
        let isSpace = first == UInt8(ascii: " ")
        let candidate = isSpace ? following : kind
        // A space at the end is a word of its own here, which is what `\s+` makes of it, too.
        if candidate & CharacterClasses.other != 0 || isSpace && candidate == CharacterClasses.end {
            var position = runEnd(isSpace ? second : start, end, of: CharacterClasses.other)
            while Self.isBreak(ascii(position, end)) { position += 1 }
            return position
        }
        return spacesEnd(start, end, endingAtBreak: true)
    }

    @inline(__always)
    private static func isBreak(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n")
    }

    /// The end of `'s` and the like at `start`.
    private func contractionEnd(_ start: Int, _ end: Int, ignoringCase: Bool) -> Int? {
        func letter(_ position: Int) -> UInt8 {
            let byte = ascii(position, end)
            return ignoringCase && byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
        }
        switch (letter(start + 1), letter(start + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        default: return nil
        }
    }

    /// The end of the whitespace at `start`: its last break where asked for, else all of it at the end of the
    /// text, else all but the last, which belongs to the next word.
    private func spacesEnd(_ start: Int, _ end: Int, endingAtBreak: Bool = false) -> Int {
        var position = start
        var last = start
        var breakEnd: Int?
        while kind(position, end) & CharacterClasses.whitespace != 0 {
            last = position
            position = after(position)
            if endingAtBreak, Self.isBreak(bytes[last]) { breakEnd = position }
        }
        if let breakEnd { return breakEnd }
        if last > start, position < end { return last }
        return position > start ? position : after(start)
    }
}
