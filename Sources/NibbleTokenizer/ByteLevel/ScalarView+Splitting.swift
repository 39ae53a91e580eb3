extension ScalarView {
    /// Calls `body` for each word of the text, in order; together they are the text.
    @inline(__always)
    func forEachWord(_ preTokenizer: PreTokenizer, _ body: (Range<Int>) -> Void) {
        let end = bytes.count
        var start = 0
        switch preTokenizer {
        case .gpt2: forEachGPT2Word(0, end, body)
        case .llama3, .qwen2:
            let digits = preTokenizer == .llama3 ? 3 : 1
            while start < end {
                let word = llama3WordEnd(start, end, digits: digits)
                body(start..<word)
                start = word
            }
        case .smollm:
            while start < end {
                if kind(start, end) & CharacterClasses.number != 0 {
                    body(start..<after(start))
                    start = after(start)
                } else {
                    let piece = runEnd(start, end, of: ~CharacterClasses.number)
                    forEachGPT2Word(start, piece, body)
                    start = piece
                }
            }
        case .fallback:
            while start < end {
                let piece = punctuationEnd(start, end)
                forEachGPT2Word(start, piece) { forEachNumber($0, body) }
                start = piece
            }
        }
    }

    @inline(__always)
    private func forEachGPT2Word(_ start: Int, _ end: Int, _ body: (Range<Int>) -> Void) {
        var start = start
        while start < end {
            let word = gpt2WordEnd(start, end)
            body(start..<word)
            start = word
        }
    }

    /// The end of the run that is all or not at all of `[\p{P}\$\+<=>\^~\|]`.
    private func punctuationEnd(_ start: Int, _ end: Int) -> Int {
        let first = isPunctuation(start, end)
        var position = start
        repeat { position = after(position) } while position < end && isPunctuation(position, end) == first
        return position
    }

    /// All of ASCII's punctuation and symbols but the backtick; of others, punctuation only.
    @inline(__always)
    private func isPunctuation(_ position: Int, _ end: Int) -> Bool {
        let kind = kind(position, end)
        guard bytes[position] < 0x80 else {
            return kind & CharacterClasses.punctuation != 0 && kind & CharacterClasses.whitespace == 0
        }
        return kind & (CharacterClasses.punctuation | CharacterClasses.symbol) != 0
            && bytes[position] != UInt8(ascii: "`")
    }

    /// Splits `\p{N}+` off, and of that, `[0-9][0-9][0-9]`.
    private func forEachNumber(_ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        let end = range.upperBound
        while start < end {
            if kind(start, end) & CharacterClasses.number == 0 {
                let piece = runEnd(start, end, of: ~CharacterClasses.number)
                body(start..<piece)
                start = piece
                continue
            }
            let piece = runEnd(start, end, of: CharacterClasses.number)
            var position = start
            while position < piece {
                let triple = position + 3
                guard triple <= piece, bytes[position..<triple].allSatisfy({ $0 < 0x80 }) else {
                    position = after(position)
                    continue
                }
                if start < position { body(start..<position) }
                body(position..<triple)
                start = triple
                position = triple
            }
            if start < piece { body(start..<piece) }
            start = piece
        }
    }
}
