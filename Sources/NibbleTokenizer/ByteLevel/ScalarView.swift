/// Steps through a text that ``UTF8Reading/isReadAsIs(_:)``, by the class of its scalars.
struct ScalarView {
    let bytes: UnsafeBufferPointer<UInt8>
    private let classes = CharacterClasses.shared

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The class of the scalar at `position`; ``CharacterClasses/end`` from `end` on.
    @inline(__always)
    func kind(_ position: Int, _ end: Int) -> CharacterClasses.Bits {
        guard position < end else { return CharacterClasses.end }
        let byte = bytes[position]
        if byte < 0x80 { return classes[UInt32(byte)] }
        return classes[UTF8Reading.lenientScalar(bytes, position) ?? 0xFFFD]
    }

    /// Where the scalar after that at `position` starts.
    @inline(__always)
    func after(_ position: Int) -> Int { position + UTF8Reading.length(lead: bytes[position]) }

    /// The byte at `position` where that is ASCII; else, and from `end` on, 0xFF.
    @inline(__always)
    func ascii(_ position: Int, _ end: Int) -> UInt8 {
        position < end && bytes[position] < 0x80 ? bytes[position] : 0xFF
    }

    /// The end of the run of scalars with one of `wanted` from `position` on.
    @inline(__always)
    func runEnd(_ position: Int, _ end: Int, of wanted: CharacterClasses.Bits) -> Int {
        var position = position
        while kind(position, end) & wanted != 0 { position = after(position) }
        return position
    }
}
