/// What the reference codecs of 256-element super-blocks share.
enum SuperBlocks {
    /// Candidates of the affine search with importance.
    static let grid = AffineGrid(start: -0.9, step: 0.05, steps: 36)

    /// Σx², in order in Float.
    static func sumOfSquares(_ x: some Collection<Float>) -> Float { x.reduce(0) { $0 + $1 * $1 } }

    /// Weights of squared errors: importance times the root of (variance + x²).
    static func weights(_ x: ArraySlice<Float>, _ importance: [Float], _ variance: Float) -> [Float] {
        x.indices.map { importance[$0] * (variance + x[$0] * x[$0]).squareRoot() }
    }

    /// Σw, in order in Float.
    static func sum(_ weights: [Float]) -> Float { weights.reduce(0, +) }

    /// The code of a scale or minimum in plain encoding, of which the low 8 bits count.
    static func code(_ value: Float) -> UInt8 { UInt8(truncatingIfNeeded: nearestInteger(value)) }

    /// Codes nearest((x + minimum) / scale) in 0 ... limit.
    static func codes(_ x: ArraySlice<Float>, _ scale: Float, _ minimum: Float, limit: Int) -> [UInt8] {
        x.map { UInt8(max(0, min(limit, nearestInteger(($0 + minimum) / scale)))) }
    }

    // MARK: - Q4_K and Q5_K

    /// The parameters of eight sub-blocks of 32 and the codes found with them.
    struct Affine {
        var scale: Float
        var minimum: Float
        var scaleCodes: [UInt8]
        var minimumCodes: [UInt8]
        var codes: [UInt8]
    }

    /// Searches the sub-blocks of a super-block and encodes their scales and minima in 6 bits.
    static func affine(_ x: [Float], importance: [Float]?, limit: Int, plainGrid: AffineGrid) -> Affine {
        let variance = 2 * sumOfSquares(x) / 256
        var (scales, minima, weightSums): ([Float], [Float], [Float]) = ([], [], [])
        var codes: [UInt8] = []
        for start in stride(from: 0, to: 256, by: 32) {
            let part = x[start..<start + 32]
            let weights: [Float]
            if let importance {
                weights = self.weights(part, importance, variance)
            } else {
                let root = (sumOfSquares(part) / 32).squareRoot()
                weights = part.map { root + $0.magnitude }
            }
            weightSums.append(sum(weights))
            let found = affineSearch(
                Array(part), weights: weights, limit: limit, grid: importance == nil ? plainGrid : grid)
            scales.append(found.scale)
            minima.append(found.minimum)
            codes += found.codes
        }
        if importance != nil {
            let scale = scaleSearch(scales, weights: weightSums, limit: 63)
            let minimum = scaleSearch(minima, weights: weightSums, limit: 63)
            return Affine(
                scale: scale.scale, minimum: minimum.scale, scaleCodes: scale.codes,
                minimumCodes: minimum.codes, codes: codes)
        }
        let (scale, minimum) = (largest(scales), largest(minima))
        let inverseScale = scale > 0 ? 63 / scale : 0
        let inverseMinimum = minimum > 0 ? 63 / minimum : 0
        return Affine(
            scale: scale / 63, minimum: minimum / 63,
            scaleCodes: scales.map { min(63, code(inverseScale * $0)) },
            minimumCodes: minima.map { min(63, code(inverseMinimum * $0)) }, codes: codes)
    }

    /// The largest of `values`, at least 0.
    static func largest(_ values: [Float]) -> Float { values.reduce(0) { $1 > $0 ? $1 : $0 } }

    /// d, dmin and twelve bytes that hold eight 6-bit scales s and minima m:
    ///
    /// | bytes | bits 0-3 | bits 4-5 | bits 6-7 |
    /// |---|---|---|---|
    /// | 0-3 | s[j] | s[j] | s[j + 4] bits 4-5 |
    /// | 4-7 | m[j] | m[j] | m[j + 4] bits 4-5 |
    /// | 8-11 | s[j + 4] bits 0-3 | m[j + 4] bits 0-3 in bits 4-7 | |
    static func header(_ found: Affine) -> [UInt8] {
        var packed = [UInt8](repeating: 0, count: 12)
        for j in 0..<4 {
            let (scale, minimum) = (found.scaleCodes[j + 4], found.minimumCodes[j + 4])
            packed[j] = found.scaleCodes[j] | (scale & 0x30) << 2
            packed[j + 4] = found.minimumCodes[j] | (minimum & 0x30) << 2
            packed[j + 8] = scale & 0x0F | minimum << 4
        }
        return bytes(Half.f16(found.scale)) + bytes(Half.f16(found.minimum)) + packed
    }

    /// Scale and minimum of sub-block `index`, widened: the inverse of ``header(_:)``.
    static func parameters(_ block: [UInt8], _ index: Int) -> (scale: Float, minimum: Float) {
        let (scale, minimum): (UInt8, UInt8)
        if index < 4 {
            (scale, minimum) = (block[4 + index] & 63, block[8 + index] & 63)
        } else {
            scale = block[8 + index] & 0x0F | (block[index] & 0xC0) >> 2
            minimum = block[8 + index] >> 4 | (block[4 + index] & 0xC0) >> 2
        }
        return (block.half(at: 0) * Float(scale), block.half(at: 2) * Float(minimum))
    }

    /// Chooses codes again with the stored parameters; sub-blocks of stored scale 0 keep what the search found.
    static func finalCodes(_ x: [Float], _ header: [UInt8], _ found: [UInt8], limit: Int) -> [UInt8] {
        (0..<8).flatMap { index in
            let range = 32 * index..<32 * index + 32
            let (scale, minimum) = parameters(header, index)
            return scale == 0 ? Array(found[range]) : codes(x[range], scale, minimum, limit: limit)
        }
    }

    /// Low four bits: byte 32 k + l holds code 64 k + l (low half) and code 64 k + 32 + l.
    static func nibbles(_ codes: [UInt8]) -> [UInt8] {
        (0..<128).map { codes[$0 / 32 * 64 + $0 % 32] & 0x0F | codes[$0 / 32 * 64 + 32 + $0 % 32] << 4 }
    }

    /// The inverse of ``nibbles(_:)`` for element `index`, from `offset`.
    static func nibble(_ block: [UInt8], at offset: Int, _ index: Int) -> Int {
        let byte = block[offset + index / 64 * 32 + index % 32]
        return Int(index % 64 < 32 ? byte & 0x0F : byte >> 4)
    }
}
