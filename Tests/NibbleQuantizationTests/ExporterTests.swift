import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// A consumer that nobody else knows: its own names, norms less two, and matrices of Q8_0 in two tensors, one of scales
/// and one of codes.
private struct ToyExporter: CheckpointExporter {
    let name = "toy"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.q8_0
    let usesPlanOptions = true

    static func name(_ role: TensorRole) -> String {
        "toy/\(role.layer.map(String.init) ?? "-")/\(role.kind.rawValue)/\(role.part.rawValue)"
    }

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        guard type == .q8_0 else {
            throw CheckpointError(.invalidRequest, path: output, "toys cannot hold \(type.rawValue)")
        }
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        if planned.role.kind == .ropeFrequencies { return nil }
        let name = Self.name(planned.role)
        guard planned.format == .ggml(.q8_0) else {
            return ExportedTensor(
                name: name, shape: planned.shape, format: .ggml(.f32), reason: planned.reason,
                convention: ValueConvention(offset: planned.role.kind.isNorm ? 2 : 0))
        }
        let (rows, blocks) = (planned.shape[0], planned.shape[1] / 32)
        return ExportedTensor(
            shape: planned.shape, format: planned.format, reason: planned.reason,
            convention: ValueConvention(),
            parts: [
                .init(
                    name: name + "/codes", shape: [rows, 32 * blocks], type: .i8,
                    .share("codes") { row, target in
                        for block in 0..<blocks {
                            let codes = UnsafeRawBufferPointer(
                                rebasing: row[34 * block + 2..<34 * (block + 1)])
                            UnsafeMutableRawBufferPointer(rebasing: target[32 * block..<32 * (block + 1)])
                                .copyMemory(from: codes)
                        }
                    }),
                .init(
                    name: name + "/label", shape: [4], type: .i8,
                    .constant("label", Array("toys".utf8))),
                .init(
                    name: name + "/scales", shape: [rows, blocks], type: .f16,
                    .share("scales") { row, target in
                        for index in target.indices { target[index] = row[34 * (index / 2) + index % 2] }
                    }),
            ])
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        try .hub(
            path: request.output, tensors: tensors,
            companions: [HubFile(name: "toy.txt", contents: Array("a toy".utf8))],
            splitSize: request.splitSize)
    }
}

@Suite("Exporters")
struct ExporterTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(
        "A new one needs nothing but itself: names, offsets, parts and companions are its own",
        arguments: ["gemma3-text", "gemma3-text.expected.gguf", "llama3", "llama3.expected.gguf"])
    func toy(source: String) throws {
        let input = Fixtures.path("hub/" + source)
        var plan = QuantizationPlan(.q8_0)
        plan.isPure = true
        let toy = ConversionRequest(
            input: input, output: folder.file("toy"), exporter: ToyExporter(), plan: plan, threads: 2)
        try Converter(toy).run()
        // The same weights in the order and the convention of the hub.
        let hub = ConversionRequest(
            input: input, output: folder.file("hub"), exporter: CheckpointExporters.hub,
            plan: QuantizationPlan(.f32),
            threads: 2)
        try Converter(hub).run()
        let output = try HubTensors(folder: folder.file("toy"))
        let reference = try ModelCheckpoint(path: folder.file("hub"))
        var expected: [String: [UInt8]] = [:]
        for tensor in reference.tensors {
            let (name, values) = (ToyExporter.name(tensor.role), try tensor.entry.floats())
            let columns = tensor.entry.columns
            // Vectors, and rows that are no whole number of blocks, are F32.
            if tensor.entry.shape.count == 1 || !columns.isMultiple(of: 32) {
                let offset = NamingScheme.hub.convention(of: tensor.role, in: reference.configuration).offset
                let shift = tensor.role.kind.isNorm ? offset - 2 : 0
                expected[name] = values.flatMap { value in withUnsafeBytes(of: value + shift) { Array($0) } }
                continue
            }
            let rows = tensor.role.isVocabulary ? reference.configuration.vocabularySize : tensor.entry.rows
            let counted = Array(values[..<(rows * columns)])
            var bytes = [UInt8](repeating: 0, count: rows * columns / 32 * 34)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            Q8_0().encodeReference(counted.span, columns: columns, importance: nil, into: &raw)
            expected[name + "/codes"] = bytes.indices.filter { $0 % 34 >= 2 }.map { bytes[$0] }
            expected[name + "/scales"] = bytes.indices.filter { $0 % 34 < 2 }.map { bytes[$0] }
            expected[name + "/label"] = Array("toys".utf8)
        }
        #expect(expected.count > 20)
        #expect(output.tensors.mapValues(\.bytes) == expected)
        #expect(output.metadata == ["format": "pt"])
        #expect(try contents(folder.file("toy/toy.txt")) == Array("a toy".utf8))
        #expect(try FilePath.contents(of: folder.file("toy")).sorted() == ["model.safetensors", "toy.txt"])
    }

    @Test("A new one says itself what it cannot hold, and takes trained weights")
    func toyRequests() throws {
        let input = Fixtures.path("hub/llama3")
        var request = ConversionRequest(
            input: input, output: folder.file("toy"), exporter: ToyExporter(), plan: QuantizationPlan(.q4_0),
            threads: 2)
        let refused = #expect(throws: CheckpointError.self) { try Converter(request) }
        #expect(refused?.problem == "toys cannot hold q4_0")
        // Rows in another format are decoded and encoded again.
        let role = TensorRole(.feedForwardUp, layer: 0)
        let values = (0..<32 * 256).map { index -> Float in Float(index % 15) - 7 }
        request.plan = QuantizationPlan(.q8_0)
        request.replacements[role] = .encoded(try TrainedWeights.encoded(values, rows: 32, type: .f32))
        try Converter(request).run()
        let codes = try HubTensors(folder: folder.file("toy")).tensors[ToyExporter.name(role) + "/codes"]
        let steps = codes?.bytes.map { Int(Int8(bitPattern: $0)) }
        let expected = values.map { value -> Int in Int((value * 127 / 7).rounded()) }
        #expect(steps == expected)
    }

    @Test("The list has each of them once, and a command line's guess comes from those that need no name")
    func list() {
        let names = CheckpointExporters.all.map(\.name)
        #expect(names.sorted() == ["compressed-tensors", "gguf", "hub", "lmstudio", "mlx", "ollama", "sbs"])
        #expect(names.allSatisfy { CheckpointExporters.named($0)?.name == $0 })
        for (output, type, name) in [
            ("a.gguf", nil, "gguf"), ("a.GGUF", .q4_0, "gguf"), ("a.gguf", .int4, "gguf"), ("a", nil, "hub"),
            ("a", .bf16, "hub"), ("a", .sfp8, "hub"), ("a", .int4_32, "compressed-tensors"),
            ("a", .q4_0, "hub"), ("gguf", nil, "hub"), ("a.GGUF", nil, "gguf"),
            ("a.gguf/", nil, "gguf"),
        ] as [(String, QuantizationType?, String)] {
            #expect(CheckpointExporters.guess(output: output, type: type).name == name)
        }
    }

    @Test("The exporter counts, not the name of the output")
    func suffix() throws {
        let input = Fixtures.path("hub/llama3")
        for (name, exporter, type) in [
            ("file", CheckpointExporters.gguf, .q4_0), ("folder.gguf", CheckpointExporters.hub, .bf16),
        ] as [(String, any CheckpointExporter, QuantizationType)] {
            let request = ConversionRequest(
                input: input, output: folder.file(name), exporter: exporter, plan: QuantizationPlan(type),
                threads: 1)
            try Converter(request).run()
        }
        #expect(try contents(folder.file("file")).starts(with: Array("GGUF".utf8)))
        #expect(try HubTensors(folder: folder.file("folder.gguf")).tensors.count > 10)
    }

    @Test("Each refuses what it cannot hold, and says what to do")
    func types() {
        for exporter in CheckpointExporters.all {
            #expect(throws: Never.self) { try exporter.check(exporter.defaultType, output: "a") }
        }
        for (exporter, type, problem, other) in [
            (CheckpointExporters.gguf, .int4, "GGUF files cannot hold int4", "folder"),
            (CheckpointExporters.hub, .q4_0, "safetensors cannot hold Q4_0", ".gguf"),
            (CheckpointExporters.hub, .int4, "a hub folder of plain numbers cannot hold int4", "compressed"),
            (
                CheckpointExporters.compressedTensors, .q4_k_m, "compressed-tensors cannot hold q4_k_m",
                "int4_32"
            ),
        ] as [(any CheckpointExporter, QuantizationType, String, String)] {
            let error = #expect(throws: CheckpointError.self) { try exporter.check(type, output: "a") }
            #expect(error?.problem == problem && error?.advice?.contains(other) == true, "\(error as Any)")
        }
    }
}
