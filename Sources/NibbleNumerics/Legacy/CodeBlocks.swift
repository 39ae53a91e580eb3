/// Writes blocks of 32 of given codes, scales and minima, into memory that is there: what carries the codes of another
/// file form over as they are. The same bytes as `pack` of the type's codec.
package struct CodeBlocks: Sendable, Hashable {
    /// The type of the blocks: Q4_0, Q5_0, Q8_0, or with a minimum Q4_1, Q5_1.
    package let type: GGMLType
    /// Bits of a code.
    package let bits: Int
    /// The code whose level is zero; nil where blocks have a minimum, and the first code's level is that.
    package let zero: Int?

    /// Codes of a block.
    package static let size = 32

    /// Nil for types of other blocks.
    package init?(_ type: GGMLType) {
        switch type {
        case .q4_0: (bits, zero) = (4, 8)
        case .q4_1: (bits, zero) = (4, nil)
        case .q5_0: (bits, zero) = (5, 16)
        case .q5_1: (bits, zero) = (5, nil)
        case .q8_0: (bits, zero) = (8, 128)
        default: return nil
        }
        self.type = type
    }

    /// Writes one block.
    ///
    /// - Parameters:
    ///   - codes: 32 codes, the first level's being 0.
    ///   - scale, minimum: halves; the minimum is what is added, and counts only where blocks have one.
    ///   - block: the bytes of a block.
    package func write(
        _ codes: UnsafeBufferPointer<UInt8>, scale: UInt16, minimum: UInt16,
        to block: UnsafeMutableRawBufferPointer
    ) {
        precondition(codes.count == Self.size && block.count == type.blockBytes, "no block of \(type)")
        block.storeBytes(of: scale.littleEndian, as: UInt16.self)
        var place = 2
        if zero == nil {
            block.storeBytes(of: minimum.littleEndian, toByteOffset: place, as: UInt16.self)
            place += 2
        }
        if bits == 8 {
            // Codes of Q8_0 are signed.
            for index in 0..<Self.size { block[place + index] = codes[index] ^ 0x80 }
            return
        }
        if bits == 5 {
            var fifth: UInt32 = 0
            for index in 0..<Self.size { fifth |= UInt32(codes[index] >> 4 & 1) << UInt32(index) }
            block.storeBytes(of: fifth.littleEndian, toByteOffset: place, as: UInt32.self)
            place += 4
        }
        for index in 0..<Self.size / 2 {
            block[place + index] = codes[index] & 0x0F | codes[index + Self.size / 2] << 4
        }
    }
}
