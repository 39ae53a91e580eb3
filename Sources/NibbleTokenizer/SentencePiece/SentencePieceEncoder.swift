/// Encodes texts with a SentencePiece vocabulary (llama-vocab.cpp, `llm_tokenizer_spm_session`).
///
/// Spaces become U+2581 on the way. Bytes that are no valid UTF-8 become byte tokens, in groups as long as the
/// first byte says: what follows in such a group is not looked at.
struct SentencePieceEncoder {
    private let tables: SentencePieceTables
    private var merger: Merger
    private var cache: WordCache
    /// The symbols of the current segment.
    private var symbols: [Int32] = []

    init(_ tables: SentencePieceTables, textLength: Int) {
        self.tables = tables
        merger = Merger(pairs: tables.pairs, lengths: tables.lengths)
        cache = WordCache(textLength: textLength)
    }

    /// Appends the tokens of a text without special tokens.
    ///
    /// - Parameter addsSpace: Whether a space is put before.
    mutating func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, addingSpace addsSpace: Bool, to output: inout [Int32]
    ) {
        // The segment is `bytes[start..<position]`, besides the space before.
        var start = 0
        var position = 0
        var previous: UInt32?
        var hasSpace = false
        if addsSpace {
            let symbol = tables.scalars[SentencePieceTables.space]
            if symbol >= 0 {
                symbols.append(symbol)
                (previous, hasSpace) = (SentencePieceTables.space, true)
            } else {
                appendBytes(of: SentencePieceTables.space, to: &output)
            }
        }
        while position < bytes.count {
            guard var scalar = UTF8Reading.scalar(bytes, position) else {
                flush(bytes, start..<position, hasSpace, &output)
                (previous, hasSpace) = (nil, false)
                position = skip(bytes, from: position, &output)
                continue
            }
            let length = UTF8Reading.length(lead: bytes[position])
            if scalar == 0x20 { scalar = SentencePieceTables.space }
            let symbol = tables.scalars[scalar]
            if let last = previous, symbol < 0 || !tables.adjacency.contains(last, scalar) {
                flush(bytes, start..<position, hasSpace, &output)
                (previous, hasSpace) = (nil, false)
            }
            if symbol >= 0 {
                if previous == nil { start = position }
                symbols.append(symbol)
                previous = scalar
            } else {
                appendBytes(of: scalar, to: &output)
            }
            position += length
        }
        flush(bytes, start..<position, hasSpace, &output)
    }

    /// Appends the byte tokens of a scalar that is part of no token.
    private func appendBytes(of scalar: UInt32, to output: inout [Int32]) {
        var text: [UInt8] = []
        UTF8Reading.append(scalar, to: &text)
        for byte in text { output.append(tables.bytes[Int(byte)]) }
    }

    /// Appends the bytes of an invalid character and returns where the next one starts.
    private func skip(
        _ bytes: UnsafeBufferPointer<UInt8>, from start: Int, _ output: inout [Int32]
    ) -> Int {
        var position = start
        // Counts bytes after spaces were replaced. A space that is cut in two becomes bytes, too, since its
        // second half is no valid UTF-8.
        var left = UTF8Reading.length(lead: bytes[start])
        while left > 0, position < bytes.count {
            if bytes[position] == 0x20 {
                for byte: UInt8 in [0xE2, 0x96, 0x81] { output.append(tables.bytes[Int(byte)]) }
                left -= 3
            } else {
                output.append(tables.bytes[Int(bytes[position])])
                left -= 1
            }
            position += 1
        }
        return position
    }

    /// Appends the tokens of the segment.
    @inline(__always)
    private mutating func flush(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ hasSpace: Bool, _ output: inout [Int32]
    ) {
        guard !symbols.isEmpty else { return }
        if symbols.count > 1 {
            guard !hasSpace, range.count <= WordCache.longestWord else {
                merger.merge(&symbols)
                emit(&output)
                return
            }
            let word = UnsafeBufferPointer(rebasing: bytes[range])
            let hash = WordCache.hash(word)
            if !cache.append(word, hash: hash, to: &output) {
                let start = output.count
                merger.merge(&symbols)
                emit(&output)
                cache.insert(word, hash: hash, tokens: output[start...])
            } else {
                symbols.removeAll(keepingCapacity: true)
            }
        } else {
            emit(&output)
        }
    }

    @inline(__always)
    private mutating func emit(_ output: inout [Int32]) {
        for symbol in symbols {
            if symbol < tables.tokenCount {
                output.append(symbol)
            } else {
                output.append(contentsOf: tables.fallbacks[Int(symbol) - tables.tokenCount])
            }
        }
        symbols.removeAll(keepingCapacity: symbols.capacity < 1 << 16)
    }
}
