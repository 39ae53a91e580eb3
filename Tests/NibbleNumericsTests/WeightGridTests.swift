import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Grids of formats")
struct WeightGridTests {
    /// All formats whose codes and scales can be chosen.
    static let formats: [WeightFormat] =
        GGMLType.allCases.map { .ggml($0) }.filter(\.hasGrid)
        + [.int4(group: nil), .int4(group: 32), .int4(group: 64), .int4(group: 128)]

    @Test("are those of every type with blocks that is written, and of int4")
    func all() {
        #expect(Self.formats.count == 17)
        let written = GGMLType.allCases.filter { $0.isQuantized && $0.isEncodable }
        #expect(Self.formats.compactMap(\.ggmlType) == written)
        #expect(!WeightFormat.sfp8.hasGrid && !WeightFormat.ggml(.bf16).hasGrid)
        #expect(WeightGrid(.ggml(.q4_k), columns: 128) == nil && WeightGrid(.ggml(.q4_0), columns: 0) == nil)
    }

    private static func decoded(_ format: WeightFormat, _ bytes: [UInt8], columns: Int) throws -> [Float] {
        Implementation.reference.decode(try #require(format.codec), bytes, columns: columns)
    }

    private static func encoded(_ grid: WeightGrid, _ values: [Float], _ records: [Float]) throws -> [UInt8] {
        let rows = values.count / grid.columns
        let size = try #require(grid.format.byteCount(columns: grid.columns))
        var bytes = [UInt8](repeating: 0, count: rows * size)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try grid.encode(values.span, records: records.span, into: &raw, level: .best)
        return bytes
    }

    private static func chosen(
        _ grid: WeightGrid, _ values: [Float], importance: [Float]?, level: KernelLevel = .best
    ) throws -> [Float] {
        var records = [Float](repeating: 0, count: values.count / grid.columns * grid.recordsPerRow)
        var span = records.mutableSpan
        let weights = importance ?? []
        try grid.choose(
            values.span, columns: grid.columns, importance: importance == nil ? nil : weights.span,
            into: &span, level: level)
        return records
    }

    /// What the values become by scales and minima of the records alone.
    private static func nearest(_ grid: WeightGrid, _ values: [Float], _ records: [Float]) -> [Float] {
        records.withUnsafeBufferPointer { records in
            values.indices.map { index in
                let (row, column) = (index / grid.columns, index % grid.columns)
                let place = row * grid.recordsPerRow + column / grid.blockSize * grid.recordSize
                guard let start = records.baseAddress else { return .nan }
                let record = grid.record(start + place)
                let part = column % grid.blockSize / grid.shape.partSize
                return grid.nearest(
                    values[index], scale: record.scale(part), minimum: record.minimum(part))
            }
        }
    }

    @Test("say what encoded rows decode to", arguments: formats, [false, true])
    func agree(format: WeightFormat, isWeighted: Bool) throws {
        let columns = 768
        let grid = try #require(WeightGrid(format, columns: columns))
        var random = SeededGenerator(seed: 31)
        let importance = isWeighted ? (0..<columns).map { _ in random.uniform() * random.uniform() } : nil
        var compared = 0
        for row in Rows.all(columns: columns, seed: 7) {
            let records: [Float]
            do {
                records = try Self.chosen(grid, row, importance: importance)
            } catch is CodecError { continue }
            let values = Self.nearest(grid, row, records)
            // From what is to be rounded, and from what it becomes.
            for source in [row, values] {
                let bytes = try Self.encoded(grid, source, records)
                let decoded = try Self.decoded(format, bytes, columns: columns)
                // The sign of zero is the codec's.
                let difference = zip(decoded, values).enumerated().first { $1.0 != $1.1 }
                #expect(difference == nil, "\(String(describing: difference)) of \(row.prefix(40))")
            }
            compared += 1
        }
        #expect(compared > 70)
    }

    @Test("hold the nearest values that there are", arguments: formats)
    func nearest(format: WeightFormat) throws {
        let columns = 256
        let grid = try #require(WeightGrid(format, columns: columns))
        var random = SeededGenerator(seed: 5)
        let row = random.normal(columns, scale: 0.05)
        let records = try Self.chosen(grid, row, importance: nil)
        let values = Self.nearest(grid, row, records)
        let (lowest, highest) = grid.shape.levels.bounds
        try records.withUnsafeBufferPointer { records in
            let start = try #require(records.baseAddress)
            for column in 0..<columns {
                let record = grid.record(start + column / grid.blockSize * grid.recordSize)
                let part = column % grid.blockSize / grid.shape.partSize
                let (scale, minimum) = (record.scale(part), record.minimum(part))
                let own = (row[column] - values[column]).magnitude
                for level in Int(lowest)...Int(highest) {
                    let position = grid.shape.levels.nearest(Float(level))
                    let other = scale * position - minimum
                    #expect(own <= (row[column] - other).magnitude * (1 + 1e-4) + 1e-9)
                }
            }
        }
    }

    @Test("follow the weights of columns", arguments: formats)
    func importance(format: WeightFormat) throws {
        let columns = 256
        let grid = try #require(WeightGrid(format, columns: columns))
        var random = SeededGenerator(seed: 9)
        let rows = random.normal(64 * columns, scale: 0.05)
        let weights: [Float] = (0..<columns).map { _ in random.uniform() < 0.15 ? 30 : 0.05 }
        func error(_ importance: [Float]?) throws -> Double {
            let values = Self.nearest(grid, rows, try Self.chosen(grid, rows, importance: importance))
            return rows.indices.reduce(0) {
                let difference = Double(rows[$1] - values[$1])
                return $0 + Double(weights[$1 % columns]) * difference * difference
            }
        }
        let (weighted, plain) = (try error(weights), try error(nil))
        // 255 codes leave next to nothing to choose.
        #expect(weighted < (format == .ggml(.q8_0) ? 1 : 0.95) * plain, "\(weighted), \(plain)")
    }

    @Test("are chosen alike at every level", arguments: formats, KernelLevel.available)
    func levels(format: WeightFormat, level: KernelLevel) throws {
        let columns = 256
        let grid = try #require(WeightGrid(format, columns: columns))
        var random = SeededGenerator(seed: 14)
        let rows = random.normal(8 * columns, scale: 0.05)
        let weights = (0..<columns).map { _ in random.uniform() }
        for importance in [nil, weights] {
            let expected = try Self.chosen(grid, rows, importance: importance, level: .scalar)
            #expect(
                try patterns(Self.chosen(grid, rows, importance: importance, level: level))
                    == patterns(expected))
        }
    }

    @Test("have steps that can be stored", arguments: formats)
    func steps(format: WeightFormat) throws {
        let grid = try #require(WeightGrid(format, columns: 256))
        for (steps, unit) in [
            (grid.shape.scales, Float(0.0078125)), (grid.shape.minima ?? .portable, 0.0078125),
        ] {
            for wanted: Float in [0, 0.011, -0.011, 0.3, 1e9, -1e9] {
                let nearest = steps.nearest(wanted, unit: unit)
                #expect(steps.nearest(nearest, unit: unit) == nearest)
                let candidates = steps.candidates(wanted, unit: unit)
                #expect(candidates.contains(nearest))
                for candidate in candidates {
                    #expect((candidate - wanted).magnitude >= (nearest - wanted).magnitude)
                }
            }
            // A block of zeros has multiples of nothing.
            if case .multiples = steps { #expect(steps.nearest(1, unit: 0) == 0) }
        }
    }

    @Test("refuse what is no number", arguments: formats)
    func faults(format: WeightFormat) throws {
        let grid = try #require(WeightGrid(format, columns: 256))
        for value in [Float.nan, .infinity, -.infinity] {
            var row = [Float](repeating: 0.5, count: 256)
            let records = try Self.chosen(grid, row, importance: nil)
            row[77] = value
            #expect(throws: CodecError.self) { try Self.chosen(grid, row, importance: nil) }
            #expect(throws: CodecError.self) { try Self.encoded(grid, row, records) }
        }
    }
}
