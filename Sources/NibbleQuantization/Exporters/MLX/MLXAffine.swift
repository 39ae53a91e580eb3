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
/// Scales are halves, as those of the blocks are: BF16 would round most of them. Those of Gemma's embedding are the same numbers
/// in F32. Source: mlx, `fast.cpp` and
/// `quantized.cpp`; mlx-lm, `utils.py`.
struct MLXAffine {
    /// Elements of a group.
    static let group = BlockCodes.group

    /// Where blocks have their codes and scales.
    let blocks: BlockCodes
    /// Bits of a code.
    var bits: Int { blocks.bits }

    /// Nil for types that it does not hold.
    init?(_ type: GGMLType) {
        guard let blocks = BlockCodes(type) else { return nil }
        self.blocks = blocks
    }

    /// Fills a row of biases.
    ///
    /// - Throws: `CodecError.scaleOverflow` where one is beyond half.
    func writeBiases(
        of row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) throws(CodecError) {
        for block in 0..<row.count / blocks.blockBytes {
            var half = row.loadUnaligned(
                fromByteOffset: block * blocks.blockBytes + (blocks.zero == nil ? 2 : 0), as: UInt16.self)
            if let zero = blocks.zero {
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
