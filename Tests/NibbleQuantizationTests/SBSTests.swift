import NibbleNumerics
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleCheckpoint
@testable import NibbleQuantization

/// Files of gemma.cpp, written and read again.
@Suite("Files of gemma.cpp")
struct SBSTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    private func convert(
        _ input: String, to name: String, _ type: QuantizationType,
        _ exporter: any CheckpointExporter = SBSExporter()
    ) throws -> ConversionSummary {
        let request = ConversionRequest(
            input: input, output: folder.file(name), exporter: exporter, plan: QuantizationPlan(type),
            threads: 2)
        return try Converter(request).run()
    }

    @Test(
        "hold SFP8 of matrices, and all else as it was",
        arguments: ["gemma3-text", "gemma3-multimodal-new"], [QuantizationType.sfp8, .bf16])
    func values(name: String, type: QuantizationType) throws {
        let source = try ModelCheckpoint(path: Fixtures.path("hub/\(name)"))
        try convert(source.path, to: "a.sbs", type)
        let model = try ModelCheckpoint(path: folder.file("a.sbs"))
        let (own, read) = (source.configuration, model.configuration)
        #expect(read.embeddingLength == own.embeddingLength && read.layerCount == own.layerCount)
        #expect(read.headCount == own.headCount && read.keyValueHeadCount == own.keyValueHeadCount)
        #expect(read.slidingWindow == own.slidingWindow && read.headDimension == own.headDimension)
        #expect((0..<own.layerCount).allSatisfy { read.isSliding(layer: $0) == own.isSliding(layer: $0) })
        #expect(model.tensors.count == source.tensors.count)
        for tensor in source.tensors {
            let found = try #require(model.tensors.first { $0.role == tensor.role }).entry
            var expected = try tensor.entry.floats()
            if tensor.role.isLinear, type == .sfp8 {
                expected = try rounded(expected, columns: tensor.entry.columns, .sfp8)
            }
            if tensor.role.isVocabulary { expected = Array(expected[..<found.elementCount]) }
            #expect(try found.floats() == expected, "\(tensor.entry.name)")
            // Some elements alone.
            let part = found.elementCount / 3..<found.elementCount / 3 + 5
            #expect(found.values(of: part) == Array(expected[part]))
        }
        let inspection = try CheckpointInspection(path: folder.file("a.sbs"))
        #expect(inspection.format == "gemma.cpp" && inspection.tensors.count == model.tensors.count)
        #expect(inspection.obstacle == nil && inspection.tokenizer?.hasPrefix("SentencePiece") == true)
        #expect(try Tokenizer(path: folder.file("a.sbs")).vocabularySize == own.vocabularySize)
        // The tokenizer is the folder's, but for what only its other files say.
        let (tokens, others) = (try Tokenizer(model).vocabulary, try Tokenizer(source).vocabulary)
        let differing = zip(tokens.tokens, others.tokens).count { $0 != $1 }
        let named =
            try JSONParser.parse(path: source.path + "/tokenizer.json")["added_tokens"]?.elements?.count ?? 0
        #expect(tokens.tokens.count == others.tokens.count && differing <= named, "\(differing)")
        #expect(tokens.special.beginning == others.special.beginning)
    }

    @Test(
        "give the GGUF file and the folder that the source gives",
        arguments: ["gemma3-text", "gemma3-multimodal-new"])
    func onward(name: String) throws {
        let source = Fixtures.path("hub/\(name)")
        try convert(source, to: "a.sbs", .bf16)
        for (type, exporter, ending) in [
            (QuantizationType.q4_0, CheckpointExporters.gguf, ".gguf"), (.bf16, CheckpointExporters.hub, ""),
        ] {
            try convert(source, to: "own" + ending, type, exporter)
            try convert(folder.file("a.sbs"), to: "other" + ending, type, exporter)
            let (own, other) = (
                try ModelCheckpoint(path: folder.file("own" + ending)),
                try ModelCheckpoint(path: folder.file("other" + ending))
            )
            #expect(own.tensors.count == other.tensors.count)
            for tensor in own.tensors {
                let found = try #require(other.tensors.first { $0.role == tensor.role }).entry
                // Norms that BF16 holds are stored so in a folder.
                let isSame =
                    tensor.entry.shape.count == 1
                    ? try found.floats() == tensor.entry.floats()
                    : found.bytes.elementsEqual(tensor.entry.bytes)
                #expect(isSame, "\(tensor.entry.name)")
            }
        }
        // And back.
        try convert(folder.file("own.gguf"), to: "b.sbs", .bf16)
        #expect(try ModelCheckpoint(path: folder.file("b.sbs")).tensors.count > 10)
    }

    /// A file whose tensors are joined as Google's files have them, of values that count up.
    private func joined(_ type: SBSType, scale: Float = 1) throws -> String {
        let source = try ModelCheckpoint(path: Fixtures.path("hub/gemma3-multimodal-new"))
        let configuration = source.configuration
        let own = try SBSConfiguration(configuration, weight: type, hasChatTemplate: true, path: "x")
        #expect(try own == own.bytes.withUnsafeBytes { try SBSConfiguration($0, path: "x") })
        let (width, head) = (configuration.embeddingLength, configuration.headDimension)
        let (queries, pairs) = (configuration.headCount * head, 2 * configuration.keyValueHeadCount * head)
        let rows = configuration.feedForwardLength
        var tensors = [
            SBSTensor(name: "c_embedding", type: .bf16, rows: configuration.vocabularySize, columns: width),
            SBSTensor(name: "c_final_norm", type: .f32, rows: 1, columns: width),
        ]
        for layer in 0..<configuration.layerCount {
            for name in ["pre_att_ns", "post_att_ns", "pre_ff_ns", "post_ff_ns"] {
                tensors.append(.init(name: "\(name)_\(layer)", type: .bf16, rows: 1, columns: width))
            }
            for name in ["query_norm", "key_norm"] {
                tensors.append(.init(name: "\(name)_\(layer)", type: .bf16, rows: 1, columns: head))
            }
            for (name, rows, columns) in [
                ("qkv_ein", queries + pairs, width), ("att_ein", configuration.headCount * width, head),
                ("gating_ein", 2 * rows, width), ("linear_w", width, rows),
            ] {
                tensors.append(
                    .init(name: "\(name)_\(layer)", type: type, rows: rows, columns: columns, scale: scale))
            }
        }
        let tokenizer = try contents(Fixtures.path("hub/gemma3-multimodal-new/tokenizer.model"))
        let layout = CheckpointLayout.sbs(
            path: folder.file("joined.sbs"), configuration: own.bytes, tokenizer: tokenizer, tensors: tensors)
        let writer = try CheckpointWriter(layout, replacing: true)
        for (tensor, place) in zip(tensors, layout.placements) {
            // Row and column can be read off a value.
            var bytes: [UInt8] = []
            for row in 0..<tensor.rows {
                for column in 0..<tensor.columns {
                    switch tensor.type {
                    case .sfp: bytes.append(UInt8(1 + (7 * row + column) % 120))
                    case .bf16: bytes += [UInt8(row % 251), UInt8(0x3C + column % 3)]
                    default:
                        withUnsafeBytes(of: Float(row * 1000 + column).bitPattern.littleEndian) {
                            bytes += $0
                        }
                    }
                }
            }
            try bytes.withUnsafeBytes { try writer.write($0, file: place.file, offset: place.offset) }
        }
        try writer.commit(flush: false)
        return folder.file("joined.sbs")
    }

    @Test(
        "are read where heads, keys and values, gate and up are joined",
        arguments: [SBSType.f32, .sfp, .bf16])
    func joinedTensors(type: SBSType) throws {
        let scale: Float = type == .sfp ? 2 : 1
        let model = try ModelCheckpoint(path: try joined(type, scale: scale))
        let configuration = model.configuration
        let (head, heads, pairs) = (
            configuration.headDimension, configuration.headCount, configuration.keyValueHeadCount
        )
        #expect(pairs == 2 && heads == 4)
        func expected(_ row: Int, _ column: Int) throws -> Float {
            switch type {
            case .sfp:
                var value: [Float] = [0]
                var span = value.mutableSpan
                SFP8().decode(
                    [UInt8(1 + (7 * row + column) % 120)].span.bytes, columns: 1, into: &span, level: .best)
                return value[0] * scale
            case .bf16: return Half.float(bf16: UInt16(row % 251) | UInt16(0x3C + column % 3) << 8)
            default: return Float(row * 1000 + column)
            }
        }
        for (kind, place) in [
            (TensorRole.Kind.attentionQuery, { (row: Int, column: Int) in (row, column) }),
            (.attentionKey, { (heads * head + $0 / head * 2 * head + $0 % head, $1) }),
            (.attentionValue, { (heads * head + $0 / head * 2 * head + head + $0 % head, $1) }),
            (.attentionOutput, { ($1 / head * configuration.embeddingLength + $0, $1 % head) }),
            (.feedForwardGate, { ($0, $1) }),
            (.feedForwardUp, { ($0 + configuration.feedForwardLength, $1) }),
            (.feedForwardDown, { ($0, $1) }),
        ] {
            let entry = try #require(model.tensors.first { $0.role == TensorRole(kind, layer: 1) }).entry
            let values = try entry.floats()
            for row in 0..<entry.rows {
                for column in 0..<entry.columns {
                    let (storedRow, storedColumn) = place(row, column)
                    let own = try expected(storedRow, storedColumn)
                    guard values[row * entry.columns + column] != own else { continue }
                    Issue.record(
                        "\(kind), row \(row), column \(column): \(values[row * entry.columns + column]), not \(own)"
                    )
                    return
                }
            }
        }
    }

    @Test("are read with the directory at the end, too")
    func secondForm() throws {
        try convert(Fixtures.path("hub/gemma3-text"), to: "a.sbs", .sfp8)
        let first = try SBSFile(path: folder.file("a.sbs"))
        var bytes: [UInt8] = []
        func number(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        let own = Array(first.file.bytes)
        bytes += number(SBSFile.magic) + number(UInt32(0)) + number(UInt64(65_536))
        bytes += [UInt8](repeating: 0, count: 240)
        var ranges: [(Int, Int)] = []
        for name in first.names {
            let range = try #require(first.blobs[name])
            ranges.append((bytes.count, range.count))
            bytes += own[range]
            bytes += [UInt8](repeating: 0, count: (256 - bytes.count % 256) % 256)
        }
        let end = 16 + 32 * first.names.count
        bytes += [UInt8](repeating: 0, count: (65_536 - (bytes.count + end) % 65_536) % 65_536)
        for name in first.names {
            bytes += Array(name.utf8) + [UInt8](repeating: 0, count: 16 - name.utf8.count)
        }
        for (offset, count) in ranges { bytes += number(UInt64(offset)) + number(UInt64(count)) }
        let size = UInt64(bytes.count + 16)
        bytes += number(SBSFile.magic) + number(UInt32(first.names.count)) + number(size)
        try folder.write(bytes, to: "b.sbs")
        let (one, two) = (
            try ModelCheckpoint(path: folder.file("a.sbs")), try ModelCheckpoint(path: folder.file("b.sbs"))
        )
        for (tensor, other) in zip(one.tensors, two.tensors) {
            #expect(try tensor.entry.floats() == other.entry.floats(), "\(tensor.entry.name)")
        }
        // Cut short, the header is missing.
        try folder.write(bytes.dropLast(100), to: "c.sbs")
        let error = #expect(throws: CheckpointError.self) { try ModelCheckpoint(path: folder.file("c.sbs")) }
        #expect(error?.code == .truncated, "\(String(describing: error))")
    }

    @Test("that are damaged give an error that names the file")
    func damaged() throws {
        try convert(Fixtures.path("hub/gemma3-text"), to: "a.sbs", .sfp8)
        let bytes = try contents(folder.file("a.sbs"))
        let headers = try #require(try SBSFile(path: folder.file("a.sbs")).blobs["toc"]).upperBound
        var generator = SeededGenerator(seed: 3)
        var refused = 0
        for _ in 0..<400 {
            var copy = bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                copy[Int.random(in: 0..<headers, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                copy.removeLast(Int.random(in: 1..<copy.count, using: &generator))
            }
            let path = try folder.write(copy, to: "b.sbs")
            do throws(CheckpointError) {
                let model = try ModelCheckpoint(path: path)
                for tensor in model.tensors { _ = try tensor.entry.floats() }
            } catch {
                refused += 1
                #expect("\(error)".contains("b.sbs"), "\(error)")
            }
        }
        #expect(refused > 200)
    }

    @Test("are for Gemma 3, and for values that SFP8 holds")
    func refused() throws {
        let llama = #expect(throws: CheckpointError.self) {
            try convert(Fixtures.path("hub/smollm2"), to: "a.sbs", .sfp8)
        }
        #expect(
            llama?.problem.contains("runs Gemma 3 (this is a llama)") == true, "\(String(describing: llama))")
        let qwen = try ModelCheckpoint(path: Fixtures.path("hub/qwen2")).configuration
        #expect(throws: CheckpointError.self) {
            try SBSConfiguration(qwen, weight: .sfp, hasChatTemplate: false, path: "x")
        }
        var other = try ModelCheckpoint(path: Fixtures.path("hub/gemma3-text")).configuration
        other.queryScalar = 3
        let scalar = #expect(throws: CheckpointError.self) {
            try SBSConfiguration(other, weight: .sfp, hasChatTemplate: false, path: "x")
        }
        #expect(scalar?.problem.contains("scales attention by 3.0") == true)
        let type = #expect(throws: CheckpointError.self) {
            try convert(Fixtures.path("hub/gemma3-text"), to: "a.sbs", .f16)
        }
        #expect(type?.advice == "choose sfp8 or bf16")
        let source = try ModelCheckpoint(path: Fixtures.path("hub/gemma3-text"))
        let role = TensorRole(.feedForwardUp, layer: 0)
        let entry = try #require(source.tensors.first { $0.role == role }).entry
        var values = try entry.floats()
        values[entry.columns + 3] = 2
        var request = ConversionRequest(
            input: source.path, output: folder.file("large"), exporter: CheckpointExporters.hub,
            plan: QuantizationPlan(.f32), threads: 1)
        request.replacements[role] = .encoded(
            try TrainedWeights.encoded(values, rows: entry.rows, type: .f32))
        try Converter(request).run()
        let large = #expect(throws: CheckpointError.self) {
            try convert(folder.file("large"), to: "a.sbs", .sfp8)
        }
        #expect(
            large?.subject?.contains("up_proj.weight', row 1, column 3") == true,
            "\(String(describing: large))")
        #expect(!FilePath.exists(folder.file("a.sbs")))
    }
}
