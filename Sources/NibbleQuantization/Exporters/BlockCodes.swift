internal import NibbleCheckpoint
internal import NibbleNumerics

/// Codes and scales of rows of Q4_0, Q4_1 or Q8_0 blocks as they stand in tensors of their own: codes from 0 in the order of
/// elements, packed in words with the first element lowest; scales as the halves that they are.
struct BlockCodes {
    /// Elements of a block.
    static let group = CodeBlocks.size

    /// Bits of a code.
    let bits: Int
    /// The code of zero; nil where blocks hold a minimum.
    let zero: Int?
    /// Bytes of a block, and of what stands before its codes.
    let blockBytes: Int
    private let header: Int

    /// Nil for types of other blocks.
    init?(_ type: GGMLType) {
        // Five bits stand in two places.
        guard let blocks = CodeBlocks(type), blocks.bits != 5 else { return nil }
        (bits, zero) = (blocks.bits, blocks.zero)
        header = zero == nil ? 4 : 2
        blockBytes = type.blockBytes
    }

    /// Fills a row of codes from a row of blocks.
    func writeCodes(of row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        let size = Self.group * bits / 8
        for block in 0..<row.count / blockBytes {
            let (codes, place) = (block * blockBytes + header, block * size)
            for index in 0..<size {
                if bits == 8 {
                    // Codes of Q8_0 are signed.
                    target[place + index] = row[codes + index] ^ 0x80
                } else {
                    // Blocks hold elements j and j + 16 in one byte, words one after the other.
                    let (first, shift) = (codes + 2 * index % 16, index < 8 ? 0 : 4)
                    let (low, high) = (row[first] >> shift & 0x0F, row[first + 1] >> shift & 0x0F)
                    target[place + index] = low | high << 4
                }
            }
        }
    }

    /// Fills a row of scales.
    func writeScales(of row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        for block in 0..<row.count / blockBytes {
            for byte in 0..<2 { target[2 * block + byte] = row[block * blockBytes + byte] }
        }
    }

    /// The same as F32, from halves that another part has.
    static func widen(_ halves: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        for index in 0..<halves.count / 2 {
            let half = UInt16(littleEndian: halves.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
            target.storeBytes(
                of: Half.float(f16: half).bitPattern.littleEndian, toByteOffset: 4 * index, as: UInt32.self)
        }
    }
}
