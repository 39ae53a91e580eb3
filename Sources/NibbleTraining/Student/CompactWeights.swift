internal import NibbleNumerics
internal import NibbleTensor

// @unchecked: as TrainedMatrix.
/// What a matrix remembers of its weights between steps in `optimizer.state: int8`, besides its encoded blocks: where codes
/// are held, how far each weight has come on the way to another code; elsewhere the weights in BF16.
///
/// Both are rounded stochastically (Gupta et al. 2015, arXiv 1502.02551): a step that is smaller than the distance of two
/// stored values is taken by as many weights as it is a part of it. Draws are counted by step, tensor and element, so that
/// they depend neither on threads nor on where a run was interrupted.
final class CompactWeights: @unchecked Sendable {
    /// What is stored of a weight.
    enum Kind {
        /// Nothing: codes stay.
        case none
        /// The distance from the middle of its code's cell, in 254ths of the step between two codes, a byte: -126 to 126,
        /// so that no weight lies on the border itself, which belongs to two codes.
        case positions
        /// The weight, 2 bytes.
        case bfloat16

        /// Bytes of a weight.
        var byteCount: Int {
            switch self {
            case .none: 0
            case .positions: 1
            case .bfloat16: 2
            }
        }
    }

    let kind: Kind
    let memory: Memory
    private let columns: Int
    private let stream: UInt64

    init(_ kind: Kind, rows: Int, columns: Int, name: String) {
        self.kind = kind
        self.columns = columns
        stream = Dither.stream(of: name)
        memory = Memory(byteCount: rows * columns * kind.byteCount)
    }

    /// Stored values between the middles of two cells.
    private static let unit: Float = 254

    private var positions: UnsafeMutablePointer<Int8> { memory.bound(to: Int8.self) }
    private var halves: UnsafeMutablePointer<UInt16> { memory.bound(to: UInt16.self) }

    /// Turns the values that some rows' blocks hold into weights.
    ///
    /// - Parameter scales: those of the blocks; empty where they are recomputed.
    func load(_ rows: Range<Int>, scales: [Float], into values: UnsafeMutablePointer<Float>) {
        let start = rows.lowerBound * columns
        switch kind {
        case .none: break
        case .positions:
            let positions = positions + start
            for index in 0..<rows.count * columns {
                values[index] +=
                    Float(positions[index]) / Self.unit * scales[index / ScaledBlocks.blockSize]
            }
        case .bfloat16:
            let halves = halves + start
            for index in 0..<rows.count * columns {
                values[index] = Half.float(bf16: halves[index])
            }
        }
    }

    /// Keeps weights in BF16; they become what is kept.
    ///
    /// - Parameter step: draws are those of this step; nil rounds to nearest.
    func settle(_ rows: Range<Int>, step: Int?, _ values: UnsafeMutablePointer<Float>) {
        guard kind == .bfloat16 else { return }
        let start = rows.lowerBound * columns
        let halves = halves + start
        var draws = Draws(stream, step: step ?? 0, from: start)
        for index in 0..<rows.count * columns {
            let draw = UInt32(draws.next())
            // NaN and infinity are found when rows are encoded.
            halves[index] =
                step == nil || !values[index].isFinite
                ? Half.bf16(values[index])
                : UInt16(truncatingIfNeeded: (values[index].bitPattern &+ draw) >> 16)
            values[index] = Half.float(bf16: halves[index])
        }
    }

    /// Keeps positions.
    ///
    /// - Parameters:
    ///   - step: draws are those of this step.
    ///   - centers: what the rows' new blocks hold.
    ///   - scales: those of the blocks.
    func keep(
        _ rows: Range<Int>, step: Int, _ values: UnsafePointer<Float>, centers: UnsafePointer<Float>,
        scales: [Float]
    ) {
        guard kind == .positions else { return }
        let start = rows.lowerBound * columns
        let positions = positions + start
        var draws = Draws(stream, step: step, from: start)
        for index in 0..<rows.count * columns {
            let (scale, draw) = (scales[index / ScaledBlocks.blockSize], draws.next())
            let position = scale == 0 ? 0 : (values[index] - centers[index]) / scale * Self.unit
            // NaN is found when rows are encoded, before this.
            let bounded = min(max(position, -126), 126)
            let lower = bounded.rounded(.down)
            let isUpper = (bounded - lower) * 0x1p16 > Float(draw) + 0.5
            positions[index] = Int8(lower) &+ (isUpper ? 1 : 0)
        }
    }

    /// Puts all weights of some rows in the middle of their cells.
    func center(_ rows: Range<Int>) {
        guard kind == .positions else { return }
        (positions + rows.lowerBound * columns).update(repeating: 0, count: rows.count * columns)
    }
}

/// 16 random bits for each element of a tensor, four elements from a number of SplitMix64.
private struct Draws {
    private let key: UInt64
    private var index: Int
    private var bits: UInt64 = 0

    init(_ stream: UInt64, step: Int, from index: Int) {
        key = SplitMix64.mix(stream ^ SplitMix64.mix(UInt64(step) &+ SplitMix64.gamma))
        self.index = index
        precondition(index.isMultiple(of: 4), "draws from element \(index)")
    }

    @inline(__always)
    mutating func next() -> UInt16 {
        if index & 3 == 0 { bits = SplitMix64.mix(key &+ SplitMix64.gamma &* UInt64(index >> 2)) }
        defer {
            bits >>= 16
            index += 1
        }
        return UInt16(truncatingIfNeeded: bits)
    }
}
