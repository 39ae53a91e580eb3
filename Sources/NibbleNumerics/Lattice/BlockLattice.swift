/// The lattice of a block format with one free scale: the values s k, k an integer of some range, s any number. It finds
/// scale and codes of blocks that were decoded and stored as plain numbers: what is left in a checkpoint that was trained with
/// fake quantization and written out "unquantized".
///
/// A stored value is a number within half a unit in the last place of s k, which confines s to an interval; a block lies on
/// the lattice where the intervals of its values have a common point. The value of largest magnitude is s k with some |k| of the
/// range, so a few scales are tried; for each, every other value has one possible code. Codes are known up to factors that
/// all of a block share, and to the sign of all: the values are the same.
package struct BlockLattice: Sendable, Hashable {
    /// The integers k.
    package let codes: ClosedRange<Int>
    /// Which numbers a scale is stored as.
    package let scales: ScaleStorage
    /// The magnitude of the code that the codec gives the largest value.
    private let codecExtreme: Int
    /// Magnitudes of the code of the largest value, in the order in which they are tried.
    private let extremes: [Int]

    /// The numbers that scales are stored as.
    package enum ScaleStorage: Sendable, Hashable {
        case half
        case bfloat16
    }

    /// Nil for formats whose blocks have several scales, a minimum, levels that are no integers, or so many codes that any
    /// values in 16 bits lie on some lattice: of 8 bits.
    package init?(_ format: WeightFormat) {
        if let blocks = format.scaledBlocks, blocks.type != .q8_0 {
            (codes, scales) = (blocks.codes, .half)
            codecExtreme = -codes.lowerBound
        } else if case .int4 = format {
            // The codec writes -7 ... 7, others all that four bits hold.
            (codes, scales, codecExtreme) = (-8...7, .bfloat16, 7)
        } else {
            return nil
        }
        // Where the codec's own scale fits, blocks become the codec's; of others the coarsest, whose scales have the fewest bits.
        let codecs = codecExtreme
        extremes = [codecs] + (1...(-codes.lowerBound)).filter { $0 != codecs }
    }

    /// A scale of a block.
    package struct Scale: Sendable, Hashable {
        /// One that can be stored.
        package var value: Float
        /// What is subtracted, where the format has such.
        package var minimum: Float = 0
        /// Whether all values of the block are its multiples, as they are stored; else its codes are right, and no number that
        /// can be stored has them as multiples.
        package var isExact: Bool
        /// Whether a scale of 8 significant bits fits as well: a number that both BF16 and halves hold.
        package var isPortable: Bool
    }

    /// The scale of a block on the lattice; nil where it is not. Zeros have the scale 0.
    ///
    /// - Parameters:
    ///   - block: finite values.
    ///   - type: how they are stored, F32, F16 or BF16.
    ///   - prefersPortable: whether of the scales that fit one of 8 significant bits is taken, rather than the middle.
    package func scale(
        of block: Span<Float>, storedAs type: GGMLType, prefersPortable: Bool = true
    ) -> Scale? {
        let (extreme, rounding) = Self.extent(block, type)
        guard extreme != 0 else { return Scale(value: 0, isExact: true, isPortable: true) }
        guard extreme.isFinite else { return nil }
        for code in extremes {
            let scale = scale(of: extreme, code: code)
            guard let interval = interval(block, scale, rounding) else { continue }
            return choose(
                within: interval, isNegative: scale.sign == .minus, prefersPortable: prefersPortable
            ) { candidate in
                block.indices.allSatisfy { index in
                    let value = block[index]
                    return rounding.stores(candidate * (value / candidate).rounded(), as: value)
                }
            }
        }
        return nil
    }

    /// Whether a block has the scale that the codec would choose for it, which gives the extreme the first code.
    func holdsCodecScale(of block: Span<Float>, storedAs type: GGMLType) -> Bool {
        let (extreme, rounding) = Self.extent(block, type)
        return extreme.isFinite && interval(block, scale(of: extreme, code: codecExtreme), rounding) != nil
    }

    /// The scale with which the largest value has a code of some magnitude. It is above 0, but where the code is one that only
    /// exists below 0.
    private func scale(of extreme: Float, code: Int) -> Float {
        code > codes.upperBound ? extreme / Float(-code) : extreme.magnitude / Float(code)
    }

    /// Whether all values of a block are zeros or of one magnitude: such lie on every lattice.
    package static func isSilent(_ block: Span<Float>) -> Bool {
        var magnitude: Float = 0
        for index in block.indices where block[index] != 0 {
            guard magnitude == 0 || block[index].magnitude == magnitude else { return false }
            magnitude = block[index].magnitude
        }
        return true
    }

    /// The value of largest magnitude, and how far values may be from what was stored.
    private static func extent(
        _ block: Span<Float>, _ type: GGMLType
    ) -> (extreme: Float, rounding: StorageRounding) {
        var extreme: Float = 0
        var bits: UInt32 = 0
        for index in block.indices {
            bits |= block[index].bitPattern
            if block[index].magnitude > extreme.magnitude { extreme = block[index] }
        }
        return (extreme, StorageRounding(bits: bits, type: type))
    }

    /// The magnitudes of the scales near `scale` of which all values are multiples, as stored; nil where there are none.
    private func interval(
        _ block: Span<Float>, _ scale: Float, _ rounding: StorageRounding
    ) -> ClosedRange<Float>? {
        let (first, last) = (Float(codes.lowerBound), Float(codes.upperBound))
        var (lowest, highest): (Float, Float) = (0, .infinity)
        for index in block.indices {
            let value = block[index]
            let code = (value / scale).rounded()
            guard code >= first && code <= last else { return nil }
            guard code != 0 else {
                if value != 0 { return nil }
                continue
            }
            let (size, error) = (value.magnitude, rounding(value.magnitude))
            lowest = max(lowest, (size - error) / code.magnitude)
            highest = min(highest, (size + error) / code.magnitude)
            if lowest > highest { return nil }
        }
        return lowest...highest
    }
}

extension BlockLattice {
    /// The number to store for a scale within an interval.
    ///
    /// - Parameter fits: whether the values of the block are multiples of a number, as they are stored. Those at the ends of the
    ///   interval may round another way.
    private func choose(
        within interval: ClosedRange<Float>, isNegative: Bool, prefersPortable: Bool,
        fits: (Float) -> Bool
    ) -> Scale {
        let middle = interval.lowerBound / 2 + interval.upperBound / 2
        let sign: Float = isNegative ? -1 : 1
        let portable = ScaledBlocks.portable(middle)
        let isPortable = interval.contains(portable) && fits(sign * portable)
        if isPortable, prefersPortable {
            return Scale(value: sign * portable, isExact: true, isPortable: true)
        }
        // As many as an interval has of them that one value in BF16 leaves.
        let candidates = scales.around(middle, reach: 8)
        for candidate in candidates where interval.contains(candidate) && fits(sign * candidate) {
            return Scale(value: sign * candidate, isExact: true, isPortable: isPortable)
        }
        return Scale(value: sign * candidates[0], isExact: false, isPortable: false)
    }
}

extension BlockLattice.ScaleStorage {
    /// The number that is stored for another, and those around it on both sides, the nearest first.
    func around(_ number: Float, reach: Int) -> [Float] {
        let sign: Float = number < 0 ? -1 : 1
        let steps = [0] + (1...reach).flatMap { [$0, -$0] }
        let bits = Int(self == .half ? Half.f16(number.magnitude) : Half.bf16(number.magnitude))
        return steps.compactMap { UInt16(exactly: bits + $0) }.map {
            sign * (self == .half ? Half.float(f16: $0) : Half.float(bf16: $0))
        }
    }
}

/// How numbers were rounded when they were stored, and how far a stored value may be from what it was.
struct StorageRounding {
    private enum Kind { case bfloat16, half, narrowHalf, float }

    private let kind: Kind

    /// To BF16 where all values of a block are BF16 numbers, to halves where they are such, and to F32 otherwise.
    ///
    /// - Parameter bits: those that any value of the block has.
    init(bits: UInt32, type: GGMLType) {
        switch bits {
        case _ where bits & 0xFFFF == 0: kind = .bfloat16
        case _ where type == .f16: kind = .half
        // Subnormal halves would have fewer bits.
        case _ where bits & 0x1FFF == 0: kind = .narrowHalf
        default: kind = .float
        }
    }

    /// Half a unit in the last place of 8 or 11 bits; of 24 bits more, which leaves room for a few roundings in Float.
    func callAsFunction(_ value: Float) -> Float {
        switch kind {
        case .bfloat16: max(value.binade * 0x1p-8, 0x1p-134)
        case .half: max(value.binade * 0x1p-11, 0x1p-25)
        case .narrowHalf: value.binade * 0x1p-11
        case .float: value.binade * 0x1p-20
        }
    }

    /// Whether a number is stored as `value`; in F32, within ``callAsFunction(_:)``.
    func stores(_ number: Float, as value: Float) -> Bool {
        switch kind {
        case .bfloat16: Half.float(bf16: Half.bf16(number)) == value
        case .half, .narrowHalf: Half.float(f16: Half.f16(number)) == value
        case .float: (number - value).magnitude <= self(value.magnitude)
        }
    }
}
