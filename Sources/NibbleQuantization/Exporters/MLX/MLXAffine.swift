internal import NibbleCheckpoint
internal import NibbleNumerics

/// The affine quantization of MLX, in groups of 32, which holds blocks of Q4_0, Q4_1 and Q8_0 exactly: w = scale q + bias with
/// the scale of the block, and what its codes are less as the bias.
///
/// A matrix `NAME.weight` of `[rows, columns]` is three tensors:
///
/// | tensor | type | shape | |
/// |---|---|---|---|
/// | `NAME.weight` | U32 | `[rows, columns · bits / 32]` | codes q; element k in bits bits · k and following of a row's words |
/// | `NAME.scales` | F16 | `[rows, columns / 32]` | d |
/// | `NAME.biases` | F16 | `[rows, columns / 32]` | -8 d of Q4_0, -128 d of Q8_0, m of Q4_1 |
///
/// Scales are halves, as those of the blocks are: BF16 would round most of them. Source: mlx, `fast.cpp` and
/// `quantized.cpp`; mlx-lm, `utils.py`.
struct MLXAffine {
    /// Elements of a group.
    static let group = 32

    /// Bits of a code.
    let bits: Int
    /// Bytes of a block before its codes, and of the whole block.
    private let header: Int, blockBytes: Int
    /// The code of zero; nil where blocks hold a minimum.
    private let zero: Int?

    /// Nil for types that it does not hold.
    init?(_ type: GGMLType) {
        switch type {
        case .q4_0: (bits, header, zero) = (4, 2, 8)
        case .q4_1: (bits, header, zero) = (4, 4, nil)
        case .q8_0: (bits, header, zero) = (8, 2, 128)
        default: return nil
        }
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

    /// Fills a row of biases.
    ///
    /// - Throws: `CodecError.scaleOverflow` where one is beyond half.
    func writeBiases(
        of row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) throws(CodecError) {
        for block in 0..<row.count / blockBytes {
            var half = row.loadUnaligned(
                fromByteOffset: block * blockBytes + (zero == nil ? 2 : 0), as: UInt16.self)
            if let zero {
                half = Half.f16(Half.float(f16: UInt16(littleEndian: half)) * Float(-zero)).littleEndian
                guard Half.float(f16: UInt16(littleEndian: half)).isFinite else {
                    throw .scaleOverflow(block: block)
                }
            }
            target.storeBytes(of: half, toByteOffset: 2 * block, as: UInt16.self)
        }
    }

    // MARK: - config.json

    /// What stands under `quantization`: the form of most matrices, and those of another.
    ///
    /// - Parameter bits: bits of the codes of each module by its path, in the order of the folder.
    static func configuration(_ bits: [(module: String, bits: Int)]) -> JSONValue {
        var counts: [Int: Int] = [:]
        for (_, bits) in bits { counts[bits, default: 0] += 1 }
        let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? 4
        func form(_ bits: Int) -> [JSONValue.Member] {
            [
                .init("group_size", .integer(group)), .init("bits", .integer(bits)),
                .init("mode", .string("affine")),
            ]
        }
        let others = bits.filter { $0.bits != most }.map {
            JSONValue.Member($0.module, .object(form($0.bits)))
        }
        return .object(form(most) + others)
    }
}
