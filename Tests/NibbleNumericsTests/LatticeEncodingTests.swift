import NibbleNumerics
import NibbleTestSupport
import Testing

/// Rows that were encoded, decoded and stored as plain numbers come back.
@Suite("Encoding on a lattice")
struct LatticeEncodingTests {
    private static let storages = [GGMLType.f32, .f16, .bf16]
    private static let columns = 256

    private func stored(_ values: [Float], as type: GGMLType) -> [Float] {
        switch type {
        case .f16: values.map { Half.float(f16: Half.f16($0)) }
        case .bf16: values.map { Half.float(bf16: Half.bf16($0)) }
        default: values
        }
    }

    /// Encodes stored values on the lattice: what they decode to then, the bytes, and the counts.
    private func encode(
        _ values: [Float], _ format: WeightFormat, storedAs type: GGMLType
    ) throws -> (values: [Float], bytes: [UInt8], counts: LatticeCounts) {
        let encoding = try #require(LatticeEncoding(format, storedAs: type))
        let rows = values.count / Self.columns
        var bytes = [UInt8](
            repeating: 0, count: rows * (try #require(format.byteCount(columns: Self.columns))))
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let counts = try encoding.encode(values.span, columns: Self.columns, into: &raw, level: .best)
        var decoded = [Float](repeating: 0, count: values.count)
        var target = decoded.mutableSpan
        try #require(format.codec).decode(bytes.span.bytes, columns: Self.columns, into: &target)
        return (decoded, bytes, counts)
    }

    /// Values of codes drawn from a range, `scale` of each block.
    private func lattice(
        _ codes: ClosedRange<Int>, blocks: Int, of size: Int, _ random: inout SeededGenerator,
        scale: (inout SeededGenerator) -> Float
    ) -> (values: [Float], scales: [Float]) {
        var (values, scales): ([Float], [Float]) = ([], [])
        for _ in 0..<blocks {
            scales.append(scale(&random))
            for _ in 0..<size {
                let code = codes.lowerBound + Int(random.next() % UInt64(codes.count))
                values.append(Float(code) * scales[scales.count - 1])
            }
        }
        return (values, scales)
    }

    @Test(
        "with scales of 8 bits gives every value back, with and without an extreme code",
        arguments: [WeightFormat.ggml(.q4_0), .ggml(.q5_0), .int4(group: 32), .int4(group: nil)], storages)
    func portable(format: WeightFormat, storage: GGMLType) throws {
        var random = SeededGenerator(seed: 3)
        let size = format == .int4(group: nil) ? Self.columns : 32
        let limit = format == .ggml(.q5_0) ? 16 : 8
        for codes in [-limit...limit - 1, -limit + 1...limit - 1, -2...3, -limit / 2...0] {
            let (values, _) = lattice(codes, blocks: 64, of: size, &random) { random in
                let scale = ScaledBlocks.portable((random.uniform() - 0.5) * 0.05)
                // int4's are positive.
                return format.scaledBlocks == nil ? scale.magnitude : scale
            }
            let result = try encode(stored(values, as: storage), format, storedAs: storage)
            #expect(result.values == values, "\(codes)")
            #expect(result.counts.off == 0 && result.counts.rounded == 0)
            #expect(result.counts.exact == result.counts.portable)
        }
    }

    @Test("with any half as scale gives values back as they are stored", arguments: storages)
    func halves(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 4)
        let (values, scales) = lattice(-8...7, blocks: 2000, of: 32, &random) { random in
            Half.float(f16: Half.f16((random.uniform() - 0.5) * 0.05))
        }
        let result = try encode(stored(values, as: storage), .ggml(.q4_0), storedAs: storage)
        #expect(stored(result.values, as: storage) == stored(values, as: storage))
        #expect(result.counts.exact == 2000)
        guard storage != .bf16 else {
            // The scales themselves are known up to the rounding of values.
            for (index, value) in result.values.enumerated() {
                #expect(abs(value - values[index]) <= 0x1p-8 * scales[index / 32].magnitude * 8)
            }
            return
        }
        #expect(result.values == values)
    }

    @Test(
        "Blocks with minima come back as they are stored", arguments: [GGMLType.q4_1, .q5_1], storages)
    func minima(type: GGMLType, storage: GGMLType) throws {
        var random = SeededGenerator(seed: 7)
        let codec = try type.testCodec
        let weights = random.normal(32 * 512, scale: 0.05)
        let importance = (0..<Self.columns).map { _ in random.uniform() }
        for importance in [nil, importance] {
            let bytes = try Implementation.reference.encode(
                codec, weights, columns: Self.columns, importance: importance)
            let decoded = Implementation.reference.decode(
                codec, bytes, columns: Self.columns, rows: weights.count / Self.columns)
            let values = stored(decoded, as: storage)
            let result = try encode(values, .ggml(type), storedAs: storage)
            // Of 5 bits, BF16 leaves some blocks whose values are too far from zero to tell their steps.
            #expect(result.counts.off <= (type == .q5_1 && storage == .bf16 ? 5 : 0), "\(result.counts)")
            // Halves with which all values come back are not always found where values have 8 bits.
            #expect(result.counts.rounded <= (storage == .bf16 ? 25 : 0), "\(result.counts)")
            let wrong = zip(stored(result.values, as: storage), values).count { $0 != $1 }
            #expect(wrong <= (storage == .bf16 ? 200 : 0), "\(wrong)")
        }
        let free = stored(weights, as: storage)
        let plain = try Implementation.kernel(.best).encode(codec, free, columns: Self.columns)
        let result = try encode(free, .ggml(type), storedAs: storage)
        #expect(result.bytes == plain && result.counts.off == 512)
    }

    @Test(
        "Asymmetric int4, a zero point for many blocks, comes back in Q4_1 as it is stored",
        arguments: [32, 128, 256], storages)
    func zeroPoints(group: Int, storage: GGMLType) throws {
        var random = SeededGenerator(seed: 11)
        var values: [Float] = []
        for _ in 0..<(65_536 / group) {
            let scale = Half.float(bf16: Half.bf16(0.002 + 0.01 * random.uniform()))
            let zero = Int(random.next() % 16)
            // Codes lie around the middle, so that few blocks have both ends.
            values += (0..<group).map { _ in
                let code = Int((7.5 + 2.5 * random.normal(1, scale: 1)[0]).rounded())
                return scale * Float(min(max(code, 0), 15) - zero)
            }
        }
        let source = stored(values, as: storage)
        let result = try encode(source, .ggml(.q4_1), storedAs: storage)
        #expect(result.counts.off == 0, "\(result.counts)")
        // A multiple of a BF16 scale may be no half.
        #expect(result.counts.rounded <= 2 && result.counts.portable >= 2046, "\(result.counts)")
        let wrong = zip(stored(result.values, as: storage), source).count { $0 != $1 }
        #expect(wrong <= 32 * (2048 - result.counts.portable), "\(wrong)")
        // Plain rounding finds other codes.
        let plain = try Implementation.kernel(.best).encode(
            try GGMLType.q4_1.testCodec, source, columns: Self.columns)
        #expect(plain != result.bytes)
    }

    @Test("with scales that no half is has their codes")
    func beyond() throws {
        var random = SeededGenerator(seed: 5)
        let (values, scales) = lattice(-8...7, blocks: 512, of: 32, &random) { random in
            (0.5 + random.uniform()) * 0.01
        }
        let result = try encode(values, .ggml(.q4_0), storedAs: .f32)
        #expect(result.counts.rounded > 460 && result.counts.off == 0)
        for (index, value) in result.values.enumerated() {
            #expect(
                abs(value - values[index]) <= 0x1p-11 * values[index].magnitude + 1e-9,
                "\(scales[index / 32])")
        }
    }

    @Test(
        "Blocks off the lattice become the codec's, and so do blocks with the codec's scale",
        arguments: storages)
    func others(storage: GGMLType) throws {
        var random = SeededGenerator(seed: 6)
        let free = stored(random.normal(32 * 64, scale: 0.02), as: storage)
        let plain = try Implementation.kernel(.best).encode(Q4_0(), free, columns: Self.columns)
        let result = try encode(free, .ggml(.q4_0), storedAs: storage)
        #expect(result.bytes == plain && result.counts.off == 64)
        let decoded = Implementation.kernel(.best).decode(Q4_0(), plain, columns: Self.columns, rows: 8)
        let again = try encode(stored(decoded, as: storage), .ggml(.q4_0), storedAs: storage)
        #expect(again.counts.off == 0)
        if storage != .bf16 { #expect(again.bytes == plain) }
        // int4's, ties of its codes included.
        let ties = (0..<Self.columns).map { [3.5, 2.25, -1.25][$0 % 3] as Float }
        for rows in [free, ties] {
            #expect(
                try encode(rows, .int4(group: nil), storedAs: storage).bytes
                    == Implementation.kernel(.best).encode(Int4(group: nil), rows, columns: Self.columns))
        }
        // Zeros are the codec's as well.
        let zeros = [Float](repeating: 0, count: Self.columns)
        #expect(
            try encode(zeros, .ggml(.q4_0), storedAs: storage).bytes
                == Implementation.kernel(.best).encode(Q4_0(), zeros, columns: Self.columns))
    }

    @Test("Values that are no numbers are errors")
    func invalid() throws {
        for format in [WeightFormat.ggml(.q4_0), .int4(group: nil)] {
            var values = [Float](repeating: 0.5, count: Self.columns)
            values[40] = .nan
            #expect(throws: CodecError.self) { try encode(values, format, storedAs: .f32) }
        }
    }
}
