/// Whether weights lie on a grid that Q4_0 can store: what a checkpoint that was dequantized, or trained with
/// fake quantization, shows and one as ordinary training leaves it does not.
///
/// A block of 32 values lies on a grid where one scale s and codes k in -8 ... 7 exist such that every value is
/// s k up to the rounding of its storage. The value of largest magnitude must then be s k with some |k| in
/// 1 ... 8, so eight scales are tried; for each, every other value has one possible code, and each value
/// confines s to an interval: the block lies on the grid where the intervals have a common point.
///
/// The rounding of the storage is half a unit in the last place of BF16 where all values of the block are BF16
/// values, of half where they are halves, and 2⁻²⁰ of the value otherwise, which leaves room for a few
/// roundings in Float. A value stored in BF16 thus has a window of about 1 / 64 of the grid's distance around
/// code 1 and 1 / 8 around code 8; that 32 ordinary weights hit one each has a probability below 10⁻²⁰.
///
/// ```swift
/// let found = GridDetection.count(weights.span, storedAs: .bf16)
/// print("\(found.onGrid) of \(found.tested) blocks lie on a Q4_0 grid")
/// ```
public struct GridDetection: Sendable, Hashable {
    /// Blocks tested. Blocks whose values are all of one magnitude, or zero, do not count: they lie on every
    /// grid.
    public var tested = 0

    /// Blocks on a grid with codes in -8 ... 7.
    public var onGrid = 0

    /// Blocks of ``onGrid`` whose extreme value has code -8, as llama.cpp's Q4_0 without importance makes them:
    /// encoding them as Q4_0 again finds the same codes. The others need ``Int4`` or their own scale, for
    /// `max / -8` is a different grid.
    public var onReferenceGrid = 0

    /// No blocks.
    public init() {}

    /// Tests the whole blocks of 32 in `values`; a rest of less than 32 values is not tested.
    ///
    /// - Parameters:
    ///   - values: weights in the order of the file, beginning at a block.
    ///   - type: how they were stored, F32, F16 or BF16. It decides the rounding of subnormal halves; that of
    ///     other values shows in their bits.
    public static func count(_ values: Span<Float>, storedAs type: GGMLType) -> GridDetection {
        var result = GridDetection()
        for start in stride(from: 0, to: values.count / 32 * 32, by: 32) {
            let block = values.extracting(start..<start + 32)
            var (largest, smallest): (Float, Float) = (0, .infinity)
            var (extreme, bits): (Float, UInt32) = (0, 0)
            for index in block.indices {
                let value = block[index]
                bits |= value.bitPattern
                if value.magnitude > largest { (largest, extreme) = (value.magnitude, value) }
                if value != 0 { smallest = min(smallest, value.magnitude) }
            }
            guard largest > smallest else { continue }
            result.tested += 1
            guard largest.isFinite else { continue }
            let rounding = Rounding(bits: bits, type: type)
            let fitsReference = fits(block, scale: extreme / -8, rounding)
            if fitsReference { result.onReferenceGrid += 1 }
            if fitsReference || (1...7).contains(where: { fits(block, scale: extreme / Float($0), rounding) })
            {
                result.onGrid += 1
            }
        }
        return result
    }

    /// Adds the counts of another run.
    public static func += (left: inout GridDetection, right: GridDetection) {
        left.tested += right.tested
        left.onGrid += right.onGrid
        left.onReferenceGrid += right.onReferenceGrid
    }

    /// How far a stored value may be from the number that was stored.
    private struct Rounding {
        /// Relative to the power of two below the value.
        var relative: Float
        /// At least this much.
        var absolute: Float

        init(bits: UInt32, type: GGMLType) {
            // Half a unit in the last place of 8, 11 and, with some room, 24 bits.
            switch bits {
            case _ where bits & 0xFFFF == 0: (relative, absolute) = (0x1p-8, 0x1p-134)
            case _ where type == .f16: (relative, absolute) = (0x1p-11, 0x1p-25)
            case _ where bits & 0x1FFF == 0: (relative, absolute) = (0x1p-11, 0)
            default: (relative, absolute) = (0x1p-20, 0)
            }
        }

        func callAsFunction(_ value: Float) -> Float { max(value.binade * relative, absolute) }
    }

    /// Whether a scale near `scale` maps all values to codes in -8 ... 7.
    private static func fits(_ block: Span<Float>, scale: Float, _ rounding: Rounding) -> Bool {
        var (lowest, highest): (Float, Float) = (-.infinity, .infinity)
        for index in block.indices {
            let value = block[index]
            let code = (value / scale).rounded()
            guard code >= -8 && code <= 7 else { return false }
            guard code != 0 else {
                if value != 0 { return false }
                continue
            }
            let error = rounding(value.magnitude)
            let (a, b) = ((value - error) / code, (value + error) / code)
            lowest = max(lowest, min(a, b))
            highest = min(highest, max(a, b))
            if lowest > highest { return false }
        }
        return true
    }
}
