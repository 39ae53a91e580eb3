/// What the reference codecs of 256-element super-blocks share.
enum SuperBlocks {
    /// Σx², in order in Float.
    static func sumOfSquares(_ x: some Collection<Float>) -> Float { x.reduce(0) { $0 + $1 * $1 } }

    /// Σw, in order in Float.
    static func sum(_ weights: [Float]) -> Float { weights.reduce(0, +) }

    /// The code of a scale or minimum in plain encoding, of which the low 8 bits count.
    static func code(_ value: Float) -> UInt8 { UInt8(truncatingIfNeeded: nearestInteger(value)) }

    /// Chooses codes again with what is stored, those of the levels nearest to (x + minimum) / scale, ties to even;
    /// sub-blocks of stored scale 0 keep what the search found.
    static func finalCodes(
        _ x: [Float], _ found: [UInt8], _ parameters: BlockParameters, _ grid: GridShape
    ) -> [UInt8] {
        guard case .integers(let levels) = grid.levels else {
            preconditionFailure("levels that are no integers")
        }
        return x.enumerated().map { index, value in
            let part = index / grid.partSize
            let scale = parameters.scale(of: part)
            guard scale != 0 else { return found[index] }
            let level = nearestInteger((value + parameters.minimum(of: part)) / scale)
            return UInt8(max(levels.lowerBound, min(levels.upperBound, level)) - levels.lowerBound)
        }
    }

    /// The block of a type with scales and minima.
    static func encode<Codec: GridCodec>(_ x: [Float], _ found: Affine, as _: Codec.Type) -> [UInt8] {
        let parameters = BlockParameters(
            scale: Half.f16(found.scale), minimum: Half.f16(found.minimum),
            scaleCodes: found.scaleCodes.map(Int.init), minimumCodes: found.minimumCodes.map(Int.init))
        // As they are read back: of a negative code some bits are stored.
        let stored = Codec.parameters(of: Codec.pack(parameters, found.codes))
        return Codec.pack(parameters, finalCodes(x, found.codes, stored, Codec.grid))
    }

    /// Two bits of each code: byte 32 h + l holds those of codes 128 h + l + 0, 32, 64, 96, low bits first.
    static func quarters(_ codes: [UInt8]) -> [UInt8] {
        (0..<64).map { index in
            let first = index / 32 * 128 + index % 32
            return (0..<4).reduce(UInt8(0)) { $0 | (codes[first + 32 * $1] & 3) << (2 * $1) }
        }
    }

    /// The inverse of ``quarters(_:)``, from 64 bytes at `offset`.
    static func quarters(_ block: [UInt8], at offset: Int) -> [Int] {
        (0..<256).map { index in
            Int(block[offset + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3)
        }
    }

    // MARK: - Scales and minima

    /// How a type with scales and minima looks for them.
    struct AffineSearch {
        /// Elements of a sub-block.
        var size: Int
        /// The largest code.
        var limit: Int
        /// The largest code of a scale or a minimum.
        var parameterLimit: Int
        /// What ggml cuts codes of scales and minima to in plain encoding; it matters for negative ones.
        var cut: UInt8
        /// Candidates without importance.
        var plainGrid: AffineGrid
        /// Weights of the errors of a sub-block without importance.
        var plainWeights: (_ part: ArraySlice<Float>) -> [Float]
        /// Whether errors count by their magnitude without importance.
        var countsMagnitudes = false
        /// How many times the mean square of a super-block goes into the weights with importance.
        var variances: Float
    }

    /// The parameters of the sub-blocks of a super-block and the codes found with them.
    struct Affine {
        var scale: Float
        var minimum: Float
        var scaleCodes: [UInt8]
        var minimumCodes: [UInt8]
        var codes: [UInt8]
    }

    /// Searches the sub-blocks of a super-block and encodes their scales and minima.
    static func affine(_ x: [Float], _ importance: BlockImportance?, _ search: AffineSearch) -> Affine {
        let variance = search.variances * sumOfSquares(x) / 256
        var (scales, minima, weightSums): ([Float], [Float], [Float]) = ([], [], [])
        var codes: [UInt8] = []
        for start in stride(from: 0, to: 256, by: search.size) {
            let part = x[start..<start + search.size]
            let weights =
                importance?.errorWeights(part, variance: variance) ?? search.plainWeights(part)
            weightSums.append(sum(weights))
            let found = affineSearch(
                Array(part), weights: weights, limit: search.limit,
                grid: importance == nil ? search.plainGrid : .weighted,
                countsMagnitudes: importance == nil && search.countsMagnitudes)
            scales.append(found.scale)
            minima.append(found.minimum)
            codes += found.codes
        }
        if importance != nil {
            let scale = scaleSearch(scales, weights: weightSums, limit: search.parameterLimit)
            let minimum = scaleSearch(minima, weights: weightSums, limit: search.parameterLimit)
            return Affine(
                scale: scale.scale, minimum: minimum.scale, scaleCodes: scale.codes,
                minimumCodes: minimum.codes, codes: codes)
        }
        let (scale, minimum, top) = (largest(scales), largest(minima), Float(search.parameterLimit))
        let inverseScale = scale > 0 ? top / scale : 0
        let inverseMinimum = minimum > 0 ? top / minimum : 0
        return Affine(
            scale: scale / top, minimum: minimum / top,
            scaleCodes: scales.map { min(search.cut, code(inverseScale * $0)) },
            minimumCodes: minima.map { min(search.cut, code(inverseMinimum * $0)) }, codes: codes)
    }

    /// The largest of `values`, at least 0.
    static func largest(_ values: [Float]) -> Float { values.reduce(0) { $1 > $0 ? $1 : $0 } }

    // MARK: - Q4_K and Q5_K

    /// The search of sub-blocks of 32 with 6-bit scales and minima.
    static func sixBitSearch(limit: Int, plainGrid: AffineGrid) -> AffineSearch {
        AffineSearch(
            size: 32, limit: limit, parameterLimit: 63, cut: 63, plainGrid: plainGrid,
            plainWeights: { part in
                let root = (sumOfSquares(part) / 32).squareRoot()
                return part.map { root + $0.magnitude }
            }, variances: 2)
    }

    /// d, dmin and twelve bytes that hold eight 6-bit scales s and minima m:
    ///
    /// | bytes | bits 0-3 | bits 4-5 | bits 6-7 |
    /// |---|---|---|---|
    /// | 0-3 | s[j] | s[j] | s[j + 4] bits 4-5 |
    /// | 4-7 | m[j] | m[j] | m[j + 4] bits 4-5 |
    /// | 8-11 | s[j + 4] bits 0-3 | m[j + 4] bits 0-3 in bits 4-7 | |
    static func header(_ parameters: BlockParameters) -> [UInt8] {
        let (scales, minima) = (
            parameters.scaleCodes.map { UInt8(truncatingIfNeeded: $0) },
            parameters.minimumCodes.map { UInt8(truncatingIfNeeded: $0) }
        )
        var packed = [UInt8](repeating: 0, count: 12)
        for j in 0..<4 {
            packed[j] = scales[j] | (scales[j + 4] & 0x30) << 2
            packed[j + 4] = minima[j] | (minima[j + 4] & 0x30) << 2
            packed[j + 8] = scales[j + 4] & 0x0F | minima[j + 4] << 4
        }
        return bytes(parameters.scale) + bytes(parameters.minimum) + packed
    }

    /// The inverse of ``header(_:)``.
    static func parameters(_ block: [UInt8]) -> BlockParameters {
        func high(_ index: Int) -> UInt8 { (block[index] & 0xC0) >> 2 }
        return .init(
            scale: block.word(at: 0), minimum: block.word(at: 2),
            scaleCodes: (0..<8).map { j in
                Int(j < 4 ? block[4 + j] & 63 : block[8 + j] & 0x0F | high(j))
            },
            minimumCodes: (0..<8).map { j in
                Int(j < 4 ? block[8 + j] & 63 : block[8 + j] >> 4 | high(4 + j))
            })
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
