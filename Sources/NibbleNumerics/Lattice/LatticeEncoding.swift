/// Encodes rows that lie on the lattice of a block format, with the scales that they were decoded with: the values come back
/// where the format can hold them, which the codec's own choice of scales does not promise.
package struct LatticeEncoding: Sendable, Hashable {
    /// How rows are encoded.
    package let format: WeightFormat
    /// How the values are stored: F32, F16 or BF16.
    package let storedType: GGMLType
    /// Whether scales have 8 significant bits. Values in BF16 leave some scales of 11 bits that fit; where all blocks have
    /// one of 8 among them it is no chance.
    package let hasPortableScales: Bool
    private let lattice: Lattice

    private enum Lattice: Hashable {
        case multiples(BlockLattice)
        case affine(AffineLattice)
    }

    /// Nil for formats that no lattice is recognized of.
    package init?(
        _ format: WeightFormat, storedAs storedType: GGMLType, hasPortableScales: Bool = true
    ) {
        guard [.f32, .f16, .bf16].contains(storedType) else { return nil }
        if let lattice = BlockLattice(format) {
            self.lattice = .multiples(lattice)
        } else if let lattice = AffineLattice(format) {
            self.lattice = .affine(lattice)
        } else {
            return nil
        }
        (self.format, self.storedType) = (format, storedType)
        self.hasPortableScales = hasPortableScales
    }

    /// Of some rows, how many blocks lie on the lattice.
    ///
    /// - Parameter values: whole rows.
    package func counts(_ values: Span<Float>, columns: Int) -> LatticeCounts {
        let size = format.blockSize(columns: columns)
        var counts = LatticeCounts()
        for start in stride(from: 0, to: values.count, by: size) {
            let block = values.extracting(start..<start + size)
            counts.add(scale(of: block), of: block)
        }
        return counts
    }

    private func scale(of block: Span<Float>) -> BlockLattice.Scale? {
        switch lattice {
        case .multiples(let lattice):
            lattice.scale(of: block, storedAs: storedType, prefersPortable: hasPortableScales)
        case .affine(let lattice):
            lattice.scale(of: block, storedAs: storedType, prefersPortable: hasPortableScales)
        }
    }

    /// Encodes whole rows. Blocks off the lattice become the codec's.
    ///
    /// - Throws: `CodecError` where a value is NaN or infinite, or a scale exceeds its storage.
    package func encode(
        _ values: Span<Float>, columns: Int, into bytes: inout MutableRawSpan, level: KernelLevel
    ) throws(CodecError) -> LatticeCounts {
        var counts = LatticeCounts()
        let size = format.blockSize(columns: columns)
        precondition(
            values.count.isMultiple(of: size), "\(values.count) values are no whole blocks of \(size)")
        var scales: [BlockLattice.Scale?] = []
        scales.reserveCapacity(values.count / size)
        for start in stride(from: 0, to: values.count, by: size) {
            let block = values.extracting(start..<start + size)
            let found = scale(of: block)
            counts.add(found, of: block)
            // Zeros are the codec's.
            scales.append(found?.value == 0 ? nil : found)
        }
        switch lattice {
        case .affine: try encodeAffine(values, scales, into: &bytes, level)
        case .multiples(let lattice):
            let own = scales.enumerated().map { block, found in
                found?.value ?? codecScale(values.extracting(block * size..<(block + 1) * size))
            }
            if let blocks = format.scaledBlocks {
                try blocks.encode(values, scales: own.span, into: &bytes, level: level)
            } else {
                try Int4(group: size).checkFinite(values, level)
                packRows(values, columns: columns, scales: own, codes: lattice.codes, into: &bytes)
            }
        }
        return counts
    }

    private func codecScale(_ block: Span<Float>) -> Float {
        format.scaledBlocks?.chooseScale(block) ?? Int4.scale(block)
    }

    /// Blocks with minima: the codec's, and in their place those on the lattice.
    private func encodeAffine(
        _ values: Span<Float>, _ scales: [BlockLattice.Scale?], into bytes: inout MutableRawSpan,
        _ level: KernelLevel
    ) throws(CodecError) {
        guard let codec = format.codec, case .ggml(let type) = format, let blocks = type.gridCodec else {
            preconditionFailure("\(format) has no blocks")
        }
        try codec.encode(values, columns: values.count, importance: nil, into: &bytes, level: level)
        let (size, levels) = (type.blockSize, blocks.grid.levels)
        for (block, scale) in scales.enumerated() {
            guard let scale else { continue }
            let codes = (block * size..<(block + 1) * size).map { index in
                UInt8(levels.code((values[index] + scale.minimum) / scale.value))
            }
            let packed = blocks.pack(
                .init(scale: Half.f16(scale.value), minimum: Half.f16(scale.minimum)), codes)
            for (index, byte) in packed.enumerated() {
                bytes.storeBytes(of: byte, toByteOffset: block * type.blockBytes + index, as: UInt8.self)
            }
        }
    }

    private func packRows(
        _ values: Span<Float>, columns: Int, scales: [Float], codes range: ClosedRange<Int>,
        into bytes: inout MutableRawSpan
    ) {
        let size = format.blockSize(columns: columns)
        let perRow = columns / size
        var offset = 0
        for row in 0..<values.count / columns {
            let own = scales[row * perRow..<(row + 1) * perRow]
            let codes = (0..<columns).map { column in
                let scale = own[row * perRow + column / size]
                guard scale != 0 else { return 0 }
                // As the codec rounds, for blocks off the lattice.
                let code = Int((values[row * columns + column] / scale).rounded(.toNearestOrEven))
                return min(max(code, range.lowerBound), range.upperBound)
            }
            for byte in Int4.pack(scales: own.map { Half.bf16($0) }, codes: codes) {
                bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
                offset += 1
            }
        }
    }
}

/// What became of the blocks of tensors that lie on a lattice.
public struct LatticeCounts: Sendable, Hashable {
    /// Blocks that decode to their values, as these were stored.
    public var exact = 0
    /// Blocks with their codes, whose scale is no number that the format can hold, but near one.
    public var rounded = 0
    /// Blocks off the lattice, encoded as the codec does.
    public var off = 0
    /// Blocks of zeros and one magnitude, which lie on any.
    public var silent = 0
    /// Of ``exact``, those that a scale of 8 significant bits fits: one that BF16 and halves have both.
    public var portable = 0

    /// None.
    public init() {}

    /// Whether practically all blocks have scales of 8 significant bits.
    package var hasPortableScales: Bool { 100 * (tested - portable) <= tested }

    /// Blocks that say something of a lattice.
    package var tested: Int { exact + rounded + off }

    mutating func add(_ scale: BlockLattice.Scale?, of block: Span<Float>) {
        guard !BlockLattice.isSilent(block) else {
            silent += 1
            return
        }
        switch scale {
        case nil: off += 1
        case let scale? where scale.isExact:
            exact += 1
            if scale.isPortable { portable += 1 }
        default: rounded += 1
        }
    }

    /// Adds the counts of other blocks.
    public static func += (left: inout LatticeCounts, right: LatticeCounts) {
        left.exact += right.exact
        left.rounded += right.rounded
        left.off += right.off
        left.silent += right.silent
        left.portable += right.portable
    }
}
