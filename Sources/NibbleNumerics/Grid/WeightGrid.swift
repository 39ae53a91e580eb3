/// The grid of a format for rows of some width: which values it can hold, which of them are chosen first, and the bytes
/// that come of them. What rounds weights by what they do to a model needs to know no more of a type.
///
/// Scales and minima of a block are a *record* of floats, ``recordSize`` of them:
///
/// | | |
/// |---|---|
/// | scales | one for each part |
/// | minima | one for each part, where the type has such |
/// | unit of scales, unit of minima | where those of parts are multiples of what the block stores |
///
/// All are as they are decoded. Of rows the records lie one after the other.
package struct WeightGrid: Sendable {
    /// How weights are stored.
    package let format: WeightFormat
    /// What a block can hold.
    package let shape: GridShape
    /// Elements whose scales and minima are chosen together: those of a block, of a group, of a row.
    package let blockSize: Int
    /// Elements of a row.
    package let columns: Int
    /// Where the scales of a type can be given, its blocks. They are anchored (``ScaledBlocks/anchor(_:scales:level:)``).
    package let scaledBlocks: ScaledBlocks?
    let blocks: (any GridCodec.Type)?

    /// Nil for formats without a grid, and where a row is no whole number of blocks.
    package init?(_ format: WeightFormat, columns: Int) {
        guard columns > 0, format.byteCount(columns: columns) != nil else { return nil }
        let size = format.blockSize(columns: columns)
        switch format {
        case .ggml(let type):
            guard let blocks = type.gridCodec else { return nil }
            self.blocks = blocks
            shape = blocks.grid
        case .int4:
            blocks = nil
            shape = GridShape(partSize: size, levels: .integers(-7...7), scales: .bfloat16)
        case .sfp8: return nil
        }
        blockSize = size
        self.format = format
        self.columns = columns
        scaledBlocks = format.scaledBlocks
    }

    /// Parts of a block.
    package var parts: Int { blockSize / shape.partSize }

    /// Whether scales of parts are multiples of a number that the block stores.
    private var hasUnits: Bool { if case .multiples = shape.scales { true } else { false } }

    /// Floats of the record of a block.
    package var recordSize: Int { (parts + (hasUnits ? 1 : 0)) * (shape.minima == nil ? 1 : 2) }

    /// Floats of the records of a row.
    package var recordsPerRow: Int { columns / blockSize * recordSize }

    /// The record of a block.
    package func record(_ start: UnsafePointer<Float>) -> GridRecord {
        unsafe GridRecord(start: start, parts: parts, hasMinima: shape.minima != nil, hasUnits: hasUnits)
    }

    /// Puts scale and minimum of a part, which can be stored, into the record of a block.
    package func store(
        scale: Float, minimum: Float, of part: Int, into record: UnsafeMutablePointer<Float>
    ) {
        unsafe record[part] = scale
        if shape.minima != nil { unsafe record[parts + part] = minimum }
    }

    /// Puts what a stored block has into a record; scales that are free become portable.
    func store(_ parameters: BlockParameters, into record: UnsafeMutablePointer<Float>) {
        for part in 0..<parts {
            let (scale, minimum) = (parameters.scale(of: part), parameters.minimum(of: part))
            unsafe store(
                scale: hasUnits ? scale : ScaledBlocks.portable(scale),
                minimum: hasUnits ? minimum : ScaledBlocks.portable(minimum), of: part, into: record)
        }
        guard hasUnits else { return }
        let first = shape.minima == nil ? parts : 2 * parts
        unsafe record[first] = Half.float(f16: parameters.scale)
        if shape.minima != nil { unsafe record[first + 1] = Half.float(f16: parameters.minimum) }
    }

    /// The value that a block can hold which is nearest to `value`, with the scale and the minimum of its part.
    @inline(__always)
    package func nearest(_ value: Float, scale: Float, minimum: Float) -> Float {
        scale * level(of: value, scale: scale, minimum: minimum) - minimum
    }

    /// Its level.
    @inline(__always)
    package func level(of value: Float, scale: Float, minimum: Float) -> Float {
        let inverse = LegacyBlocks.inverse(scale)
        return shape.levels.nearest(inverse.isFinite ? (value + minimum) * inverse : 0)
    }
}

extension WeightFormat {
    /// Whether codes of the format are chosen beside scales that can be given (``WeightGrid``).
    package var hasGrid: Bool { WeightGrid(self, columns: 256) != nil }
}

/// The scales and minima of a block, in memory of someone else (``WeightGrid``).
package struct GridRecord {
    private let start: UnsafePointer<Float>
    private let parts: Int
    private let hasMinima: Bool
    private let hasUnits: Bool

    init(start: UnsafePointer<Float>, parts: Int, hasMinima: Bool, hasUnits: Bool) {
        unsafe self.start = start
        self.parts = parts
        self.hasMinima = hasMinima
        self.hasUnits = hasUnits
    }

    /// The scale of a part.
    package func scale(_ part: Int) -> Float { unsafe start[part] }
    /// What is subtracted in a part; 0 where the type has no minima.
    package func minimum(_ part: Int) -> Float { hasMinima ? unsafe start[parts + part] : 0 }
    /// What scales are multiples of; 1 where they are free.
    package var scaleUnit: Float { hasUnits ? unsafe start[hasMinima ? 2 * parts : parts] : 1 }
    /// What minima are multiples of; 1 where they are free.
    package var minimumUnit: Float { hasUnits && hasMinima ? unsafe start[2 * parts + 1] : 1 }

    /// What a block stores for it.
    var parameters: BlockParameters {
        guard hasUnits else {
            return .init(scale: Half.f16(scale(0)), minimum: hasMinima ? Half.f16(minimum(0)) : 0)
        }
        func codes(_ unit: Float, _ value: (Int) -> Float) -> [Int] {
            (0..<parts).map { unit == 0 ? 0 : Int((value($0) / unit).rounded()) }
        }
        return .init(
            scale: Half.f16(scaleUnit), minimum: hasMinima ? Half.f16(minimumUnit) : 0,
            scaleCodes: codes(scaleUnit, scale),
            minimumCodes: hasMinima ? codes(minimumUnit, minimum) : [])
    }
}
