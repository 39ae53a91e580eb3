internal import NibbleCheckpoint
package import NibbleNumerics
package import NibbleTensor

/// What this machine does in a second of the work of a calibration, measured for a moment.
package struct CalibrationRates: Sendable {
    /// Operations of products of weights and activations.
    package var products: Double
    /// Operations of products of features with each other, half of which are left out where these are symmetric.
    package var grams: Double
    /// Operations on floats, of products on one thread each.
    package var floats: Double
    /// Weights rounded to nearest.
    package var encoding: Double
    /// Weights whose scales and codes are chosen, products not counted.
    package var rounding: Double

    /// About what two cores with AVX-512 do, with AMX or without: to weigh one step against another.
    static func nominal(hasTiles: Bool) -> CalibrationRates {
        CalibrationRates(
            products: hasTiles ? 7e11 : 2e11, grams: hasTiles ? 5e11 : 2e11, floats: 1.5e11, encoding: 3e8,
            rounding: 5e6)
    }

    private init(products: Double, grams: Double, floats: Double, encoding: Double, rounding: Double) {
        self.products = products
        self.grams = grams
        self.floats = floats
        self.encoding = encoding
        self.rounding = rounding
    }

    /// Measures with all threads of `compute`, in about two seconds.
    ///
    /// - Parameter format: one with codes and scales, for rates of rounding.
    package init(measuring compute: Compute, format: WeightFormat) {
        let width = 2048
        let tokens = compute.tensor(features: width, layout: compute.layout(sequences: 1, length: 512))
        tokens.fill(0.5)
        let weights = Memory(byteCount: 2 * width * width)
        let matrix = Matrix(
            rows: width, columns: width, type: .bf16, bytes: UnsafeRawBufferPointer(weights.bytes),
            owner: weights)
        let product = 2.0 * 512 * Double(width * width)
        products = Self.rate(product) {
            guard let matrix else { return }
            _ = compute.linear(compute.operand(tokens, for: matrix), matrix)
        }
        let sum = Memory(byteCount: 4 * width * width)
        grams = Self.rate(product / 2) { compute.addGram(of: tokens, to: sum.floats) }
        let (left, right) = (Memory(byteCount: 4 * width * width), Memory(byteCount: 4 * width * width))
        floats = Self.rate(2 * Double(width * width) * Double(width)) {
            compute.forEachRows(in: 0..<width, height: 64) { rows in
                Compute.addProduct(
                    left.floats + rows.lowerBound * width, stride: width, right.floats, stride: width,
                    into: sum.floats + rows.lowerBound * width, stride: width, rows: rows.count,
                    columns: width, depth: width, level: compute.level)
            }
        }
        (encoding, rounding) = Self.codecRates(compute, format)
    }

    private static func rate(_ operations: Double, _ body: () throws -> Void) rethrows -> Double {
        try body()
        let start = ContinuousClock.now
        var count = 0.0
        var elapsed = Duration.zero
        repeat {
            try body()
            count += 1
            elapsed = start.duration(to: .now)
        } while elapsed < .milliseconds(300)
        return count * operations / (elapsed / .seconds(1))
    }

    private static func codecRates(
        _ compute: Compute, _ format: WeightFormat
    ) -> (encoding: Double, rounding: Double) {
        let (rows, columns) = (256, 256)
        guard let grid = WeightGrid(format, columns: columns) else {
            preconditionFailure("\(format) has no codes and scales")
        }
        let matrix = CalibratedMatrix(
            role: TensorRole(.feedForwardUp, layer: 0), name: "sample", source: ("sample", "sample"),
            rows: rows, grid: grid, advice: "")
        for index in 0..<rows * columns {
            let bits = SplitMix64.mix(UInt64(index))
            matrix.weights.floats[index] = Float(bits >> 40) / Float(1 << 24) - 0.5
        }
        let hessian = Memory(byteCount: 4 * columns * columns)
        for column in 0..<columns { hessian.floats[column * columns + column] = 1 }
        let options = CalibrationOptions()
        let count = Double(rows * columns)
        do {
            let encoding = try rate(count) {
                try compute.forEachRows(of: rows) { rows throws(CheckpointError) in
                    try matrix.roundToNearest(rows, level: compute.level)
                }
            }
            let factor = try GPTQRounding(
                hessian, columns: columns, blockSizes: [grid.blockSize], compute: compute)
            let rounding = try rate(count) {
                try compute.forEachRows(in: 0..<rows, height: 4) { rows in
                    try factor.round(rows, of: matrix, options, level: compute.level)
                    try matrix.encode(rows, level: compute.level)
                }
            }
            return (encoding, rounding)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
