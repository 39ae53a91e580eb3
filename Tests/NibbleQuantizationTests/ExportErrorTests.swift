import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Exports that do not fit")
struct ExportErrorTests {
    private let folder: TemporaryFolder
    private let source = Fixtures.path("hub/llama3")
    private let role = TensorRole(.feedForwardUp, layer: 0)

    init() throws { folder = try TemporaryFolder() }

    private func request(
        _ replacements: [TensorRole: ReplacementTensor], _ type: QuantizationType = .q4_0,
        to name: String = "out.gguf"
    ) -> ConversionRequest {
        var request = ConversionRequest(
            input: source, output: folder.file(name), plan: QuantizationPlan(type), threads: 2)
        request.replacements = replacements
        return request
    }

    /// A matrix of 32 rows of 256, as `role` has it, of the given bytes or zeros.
    private func matrix(_ type: GGMLType, rows: Int = 32, columns: Int = 256) throws -> EncodedTensor {
        try TrainedWeights.encoded([Float](repeating: 0, count: rows * columns), rows: rows, type: type)
    }

    @Test("The fixture has the shape that these tests rely on")
    func fixture() throws {
        let model = try ModelCheckpoint(path: source)
        #expect(model.tensors.first { $0.role == role }?.entry.shape == [32, 256])
        #expect(throws: Never.self) { try Converter(request([role: .encoded(try matrix(.q4_0))])) }
    }

    @Test("A type that the plan does not give the tensor is an error that names both")
    func type() throws {
        let error = #expect(throws: CheckpointError.self) {
            try Converter(request([role: .encoded(try matrix(.q4_1))]))
        }
        #expect(error?.subject == "tensor 'blk.0.ffn_up.weight'")
        #expect(error?.problem.contains("Q4_0") == true && error?.problem.contains("Q4_1") == true)
    }

    @Test(
        "A shape that the tensor does not have is an error that names both",
        arguments: [(31, 256), (32, 512)])
    func shape(rows: Int, columns: Int) throws {
        let replacement = try matrix(.q4_0, rows: rows, columns: columns)
        for (type, name) in [(QuantizationType.q4_0, "out.gguf"), (.f32, "out")] {
            let error = #expect(throws: CheckpointError.self) {
                try Converter(request([role: .encoded(replacement)], type, to: name))
            }
            #expect(error?.problem.contains("[32, 256]") == true)
            #expect(error?.problem.contains("[\(rows), \(columns)]") == true)
        }
    }

    @Test("Vectors of the wrong length, matrices for norms and tensors that are not there are errors")
    func roles() throws {
        for (role, replacement) in [
            (TensorRole(.outputNorm), ReplacementTensor.vector([1, 2])),
            (TensorRole(.outputNorm), .encoded(try matrix(.q4_0))),
            (TensorRole(.feedForwardUp, layer: 7), .encoded(try matrix(.q4_0))),
            (TensorRole(.attentionQueryNorm, layer: 0), .vector([1])),
        ] {
            let error = #expect(throws: CheckpointError.self) { try Converter(request([role: replacement])) }
            #expect(error?.code == .inconsistent)
        }
    }

    @Test("A scale that is NaN is an error that names row and column, and leaves the old output")
    func invalidScale() throws {
        var bytes = try matrix(.q4_0).withUnsafeBytes { Array($0) }
        let place = (3 * 8 + 2) * 18
        bytes.replaceSubrange(place..<place + 2, with: [0x00, 0x7E])
        let bad = TrainedWeights.view(bytes, rows: 32, columns: 256, type: .q4_0)
        try folder.write([1, 2, 3], to: "out.gguf")
        for (type, name) in [(QuantizationType.q4_0, "out.gguf"), (.f32, "out")] {
            var request = request([role: .encoded(bad)], type, to: name)
            request.replacesOutput = true
            let error = #expect(throws: CheckpointError.self) { try Converter(request).run() }
            #expect(error?.code == .invalidValue)
            #expect(error?.subject?.hasSuffix(".weight', row 3, column 64") == true)
            #expect(try folder.names == ["out.gguf"])
            #expect(try contents(folder.file("out.gguf")) == [1, 2, 3])
        }
    }

    @Test("BF16 is refused where it moves a scale, with the block and what to do instead")
    func narrowFolder() throws {
        let trained = try TrainedWeights(source, seed: 1)
        let replacements = try trained.replacements(QuantizationPlan(.q4_0))
        let error = #expect(throws: CheckpointError.self) {
            try Converter(request(replacements, .bf16, to: "out")).run()
        }
        #expect(error?.code == .invalidRequest)
        #expect(error?.advice == "export as f32")
        #expect(try folder.names.isEmpty)
    }

    @Test("BF16 is taken where every scale fits")
    func fittingFolder() throws {
        // d = 2^-4 and values d (q - 8) are BF16 numbers.
        let values = (0..<32 * 256).map { Float($0 % 16 - 8) / 16 }
        let matrix = try TrainedWeights.encoded(values, rows: 32, type: .q4_0)
        let summary = try Converter(request([role: .encoded(matrix)], .bf16, to: "out")).run()
        #expect(summary.export?.isExact == true)
        #expect(summary.export?.total.identical == 32 * 8)
    }
}
