/// Symbols by Unicode scalar; pages without any take no memory.
struct ScalarMap: Sendable {
    /// No symbol.
    static let none: Int32 = -1

    private var pages = [UInt16](repeating: 0, count: 0x11_0000 >> 8)
    private var symbols = [Int32](repeating: none, count: 256)

    /// The symbol of a scalar, or ``none``.
    subscript(scalar: UInt32) -> Int32 {
        @inline(__always) get { symbols[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }
        set {
            var page = pages[Int(scalar >> 8)]
            if page == 0 {
                page = UInt16(symbols.count >> 8)
                pages[Int(scalar >> 8)] = page
                symbols += Array(repeating: Self.none, count: 256)
            }
            symbols[Int(page) << 8 | Int(scalar & 0xFF)] = newValue
        }
    }
}
