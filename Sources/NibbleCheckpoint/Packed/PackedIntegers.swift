/// Rows of unsigned codes in a file, each a stream of bits, the lowest first: how MLX and compressed-tensors fill words of
/// 32 bits, whatever the width of a code.
struct PackedIntegers: Sendable {
    /// The file, and where in it the rows stand.
    let file: MappedFile
    let range: Range<Int>
    /// Bits of a code, 2 to 8.
    let bits: Int
    /// Bytes from one row to the next.
    let rowBytes: Int
    /// Whether codes of 8 bits are signed, so that the first level's is -128.
    var isSigned = false

    /// Writes the codes of some columns of a row, the first level's being 0.
    func read(row: Int, from column: Int, into codes: UnsafeMutableBufferPointer<UInt8>) {
        let start = range.lowerBound + row * rowBytes
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + rowBytes])
        switch bits {
        case 8:
            let flip: UInt8 = isSigned ? 0x80 : 0
            for index in codes.indices { codes[index] = bytes[column + index] ^ flip }
        case 4 where column.isMultiple(of: 2) && codes.count.isMultiple(of: 2):
            for index in 0..<codes.count / 2 {
                let pair = bytes[column / 2 + index]
                (codes[2 * index], codes[2 * index + 1]) = (pair & 0x0F, pair >> 4)
            }
        default:
            let mask = UInt16(1) << UInt16(bits) - 1
            for index in codes.indices {
                let place = (column + index) * bits
                let low = UInt16(bytes[place / 8])
                let high = place / 8 + 1 < rowBytes ? UInt16(bytes[place / 8 + 1]) << 8 : 0
                codes[index] = UInt8((low | high) >> UInt16(place % 8) & mask)
            }
        }
    }
}
