internal import CKernels

/// Draws weights uniformly within their quantization cells: a stand-in for the weights that a quantized file
/// was made from.
///
/// A decoded file lies on a grid, and half of one grid can be exact ties of another, so decoded weights are
/// poor material for trying out quantization. A dithered weight is a number that the stored code is nearest to:
/// as far as the file tells, it might have been the original.
///
/// Every weight depends on the seed, the stream (the name of the tensor) and its index in the tensor only. So
/// a tensor may be decoded in any pieces, on any number of threads.
///
/// ```swift
/// let dither = Dither(seed: 1)
/// dither.decode(
///     bytes, type: .q4_k, columns: 256, firstElement: 0, stream: Dither.stream(of: "output.weight"),
///     into: &weights)
/// ```
///
/// The generator is counter-based. With SplitMix64's finalizer
/// `mix(z)`: `z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31`
/// (modulo 2⁶⁴), γ = 0x9E3779B97F4A7C15, key = mix(mix(seed + γ) ^ stream) and the upper 23 bits k of
/// mix(key + γ (i + 1)), element i is lower + (upper - lower) · u, u = (k + ½) / 2²³, in Float and clamped to
/// lower ... upper. u is exact and lies in 2⁻²⁴ ... 1 - 2⁻²⁴; its mean over all k is ½.
public struct Dither: Sendable, Hashable {
    /// What distinguishes one draw of all weights from another.
    public var seed: UInt64

    /// The dither of `seed`.
    public init(seed: UInt64) { self.seed = seed }

    /// The stream of a tensor: the 64-bit FNV-1a hash of the UTF-8 bytes of its name.
    public static func stream(of name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    /// Decodes whole rows to weights drawn within their cells.
    ///
    /// The weights of a cell that is not bounded, because a scale is NaN or infinite, are NaN or infinite. Where
    /// a scale is 0 the cell is the point that the code decodes to.
    ///
    /// - Parameters:
    ///   - bytes: rows as the type's codec stores them.
    ///   - type: a type that has a codec and, where it is quantized, cells (``GGMLType/hasCells``). Types that are not
    ///     quantized are decoded as they are.
    ///   - columns: elements of a row.
    ///   - firstElement: index within the tensor of the first element of `bytes`.
    ///   - stream: the tensor; see ``stream(of:)``.
    ///   - rows: receives the weights.
    public func decode(
        _ bytes: RawSpan, type: GGMLType, columns: Int, firstElement: UInt64, stream: UInt64,
        into rows: inout MutableSpan<Float>
    ) {
        guard let codec = type.codec else { preconditionFailure("\(type) cannot be decoded") }
        guard type.isQuantized else { return codec.decode(bytes, columns: columns, into: &rows) }
        codec.checkDecoding(bytes, columns, rows.count)
        let key = key(stream)
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe rows.withUnsafeMutableBufferPointer { rows in
                unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.batch) { upper in
                    for start in stride(from: 0, to: rows.count, by: Self.batch) {
                        let count = min(Self.batch, rows.count - start)
                        let offset = start / type.blockSize * type.blockBytes
                        let input = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
                        let lower = unsafe UnsafeMutableBufferPointer(rebasing: rows[start..<start + count])
                        unsafe Self.cells(type, input, lower, upper)
                        let first = firstElement &+ UInt64(start)
                        unsafe Self.draw(lower, upper, counter: key &+ SplitMix64.gamma &* (first &+ 1))
                    }
                }
            }
        }
    }

    /// Moves every weight by up to half the smallest distance of two values of its block of 32: what a grid without a
    /// known format leaves open. Weights that are not on a grid lie so close that they hardly move.
    ///
    /// - Parameters:
    ///   - rows: the weights, in the order of the tensor.
    ///   - firstElement: index within the tensor of the first.
    ///   - stream: the tensor; see ``stream(of:)``.
    public func spread(_ rows: inout MutableSpan<Float>, firstElement: UInt64, stream: UInt64) {
        let key = key(stream)
        for first in stride(from: 0, to: rows.count, by: 32) {
            let block = first..<min(first + 32, rows.count)
            let sorted = block.map { rows[$0] }.sorted()
            var gap = Float.infinity
            for (low, high) in zip(sorted, sorted.dropFirst()) where high > low { gap = min(gap, high - low) }
            guard gap.isFinite else { continue }
            for index in block {
                let uniform = Self.uniform(key &+ SplitMix64.gamma &* (firstElement &+ UInt64(index) &+ 1))
                rows[index] += (uniform - 0.5) * gap
            }
        }
    }

    /// What the counters of a tensor begin at.
    private func key(_ stream: UInt64) -> UInt64 {
        SplitMix64.mix(SplitMix64.mix(seed &+ SplitMix64.gamma) ^ stream)
    }

    /// u of a counter.
    @inline(__always)
    private static func uniform(_ counter: UInt64) -> Float {
        let bits = UInt32(truncatingIfNeeded: SplitMix64.mix(counter) >> 41)
        // 1 + k / 2²³ - (1 - 2⁻²⁴), exact.
        return Float(bitPattern: 0x3F80_0000 | bits) - 0x1.FFFFFEp-1
    }

    /// Elements for which bounds are held: whole blocks, small enough for the first cache.
    private static let batch = 2048

    private static func cells(
        _ type: GGMLType, _ bytes: UnsafeRawBufferPointer, _ lower: UnsafeMutableBufferPointer<Float>,
        _ upper: UnsafeMutableBufferPointer<Float>
    ) {
        let input = unsafe bytes.bindMemory(to: UInt8.self)
        let status = unsafe nibble_cells(
            type.rawValue, input.baseAddress, lower.baseAddress, upper.baseAddress, lower.count)
        precondition(status == 0, "the quantization cells of \(type) are not known")
    }

    /// Replaces each lower bound by a number of its cell.
    private static func draw(
        _ values: UnsafeMutableBufferPointer<Float>, _ upper: UnsafeMutableBufferPointer<Float>,
        counter: UInt64
    ) {
        var counter = counter
        for index in values.indices {
            let uniform = uniform(counter)
            let (low, high) = unsafe (values[index], upper[index])
            let value = low + (high - low) * uniform
            unsafe values[index] = value < low ? low : value > high ? high : value
            counter &+= SplitMix64.gamma
        }
    }
}

extension GGMLType {
    /// Whether each code has a cell of its own, from which ``Dither`` can draw: all quantized types whose codes stand for
    /// single values, not for groups of a codebook (IQ1, IQ2, IQ3).
    public var hasCells: Bool {
        switch self {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s: false
        default: isQuantized && codec != nil
        }
    }
}
