/// What the expressions of pre-tokenizers tell apart: letters, numbers, whitespace, punctuation, symbols.
///
/// The classes are those of llama.cpp's tables (unicode-data.cpp), whatever Unicode the standard library has.
struct CharacterClasses: Sendable {
    /// Bits of a class; a scalar has one at least.
    typealias Bits = UInt8

    /// `\p{L}`
    static let letter: Bits = 1
    /// `\p{N}`
    static let number: Bits = 2
    /// `\s`
    static let whitespace: Bits = 4
    /// `\p{P}`
    static let punctuation: Bits = 8
    /// `\p{S}`
    static let symbol: Bits = 16
    /// `[^\s\p{L}\p{N}]`
    static let other: Bits = 32
    /// What is beyond the end of a text.
    static let end: Bits = 0

    private static let pageBits: UInt32 = 7
    private static let limit: UInt32 = 0x11_0000

    /// The page of each 128 scalars.
    private let pages: [UInt16]
    /// The classes, page after page; equal pages are stored once. The first is that of ASCII.
    private let classes: [Bits]

    static let shared = CharacterClasses()

    private init() {
        let size = 1 << Int(Self.pageBits)
        var flat = [Bits](repeating: 0, count: Int(Self.limit))
        for (index, range) in Self.ranges.enumerated() {
            let start = Int(range >> 8)
            let end = index + 1 < Self.ranges.count ? Int(Self.ranges[index + 1] >> 8) : flat.count
            for scalar in start..<end { flat[scalar] = Bits(truncatingIfNeeded: range) }
        }
        var pages: [UInt16] = []
        var classes: [Bits] = []
        var known: [[Bits]: UInt16] = [:]
        for start in stride(from: 0, to: flat.count, by: size) {
            let page = Array(flat[start..<start + size])
            if let number = known[page] {
                pages.append(number)
            } else {
                let number = UInt16(classes.count / size)
                known[page] = number
                pages.append(number)
                classes += page
            }
        }
        self.pages = pages
        self.classes = classes
    }

    /// The class of a scalar, surrogates included.
    @inline(__always)
    subscript(scalar: UInt32) -> Bits {
        // The first page is that of ASCII.
        if scalar < 128 { return classes[Int(scalar)] }
        let page = pages[Int(scalar >> Self.pageBits)]
        return classes[Int(page) << Int(Self.pageBits) | Int(scalar & (1 << Self.pageBits - 1))]
    }
}
