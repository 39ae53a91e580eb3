internal import NibbleNumerics

/// A block of 32 weights, while its scale and codes have their turn in a ``CoordinateDescent``.
struct BlockDescent {
    /// The scale, a portable one.
    private(set) var scale: Float
    private let square: UnsafePointer<Float>
    private let lowest: Float, highest: Float
    private let isSymmetric: Bool
    /// Codes, zero's being 0, and g.
    private let codes: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
    /// A times the codes.
    private let product: UnsafeMutablePointer<Float>
    private static let width = ScaledBlocks.blockSize

    /// Floats of scratch memory that a block takes.
    static let scratch = 3 * width

    /// - Parameters:
    ///   - square: the part of A that belongs to the block, `[32][32]`.
    ///   - scale: one that `values` are rounded with.
    ///   - gradient: g of the block.
    ///   - scratch: memory for ``scratch`` floats.
    init(
        square: UnsafePointer<Float>, codec: ScaledBlocks, scale: Float, values: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        self.square = square
        self.scale = ScaledBlocks.portable(scale)
        (lowest, highest) = (Float(codec.codes.lowerBound), Float(codec.codes.upperBound))
        isSymmetric = codec.type == .q8_0
        (codes, self.gradient) = (scratch, scratch + Self.width)
        product = scratch + 2 * Self.width
        for column in 0..<Self.width {
            self.gradient[column] = gradient[column]
            codes[column] = Float(codec.code(of: values[column], scale: scale))
        }
    }

    /// Takes the scale that is best for the codes.
    mutating func chooseScale() {
        product.update(repeating: 0, count: Self.width)
        for row in 0..<Self.width where codes[row] != 0 {
            let (code, values) = (codes[row], square + row * Self.width)
            for column in 0..<Self.width { product[column] += values[column] * code }
        }
        var (curvature, slope): (Float, Float) = (0, 0)
        for column in 0..<Self.width {
            curvature += product[column] * codes[column]
            slope += gradient[column] * codes[column]
        }
        guard curvature > 0 else { return }
        let found = ScaledBlocks.portable(scale - slope / curvature)
        // Neither 0 nor of the other sign, where codes would mean something else.
        guard found.isFinite, found * scale > 0, found != scale else { return }
        let change = found - scale
        for column in 0..<Self.width { gradient[column] += product[column] * change }
        scale = found
    }

    /// Takes the best code for one weight after the other.
    mutating func chooseCodes() {
        var extremes = (0..<Self.width).count { isExtreme(codes[$0]) }
        for column in 0..<Self.width {
            let row = square + column * Self.width
            let (old, step) = (codes[column], gradient[column] / (row[column] * scale))
            guard abs(step) > 0.5, step.isFinite else { continue }
            let new = min(max((old - step).rounded(), lowest), highest)
            guard new != old else { continue }
            if isExtreme(old) {
                guard extremes > 1 || isExtreme(new) else { continue }
                extremes -= 1
            }
            if isExtreme(new) { extremes += 1 }
            codes[column] = new
            let change = (new - old) * scale
            for other in 0..<Self.width { gradient[other] += row[other] * change }
        }
    }

    private func isExtreme(_ code: Float) -> Bool {
        code == lowest || isSymmetric && code == highest
    }

    /// Puts what the weights are decoded to into `target`.
    func decode(into target: UnsafeMutablePointer<Float>) {
        for column in 0..<Self.width { target[column] = codes[column] * scale }
    }
}
