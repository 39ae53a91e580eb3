import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("The same files as llama-quantize")
struct LlamaQuantizeTests {
    /// `--leave-output-tensor` has no counterpart: `--output-type` says the same.
    static let cases = QuantizedFixtures.all.filter { !$0.2.flags.contains("--leave-output-tensor") }

    @Test("Whole files are equal byte for byte", arguments: cases)
    func wholeFile(model: String, tensors: [String], expected: QuantizedFixtures.Case) throws {
        let folder = try TemporaryFolder()
        let type = try #require(QuantizationType(rawValue: expected.type))
        var request = ConversionRequest(
            input: Fixtures.path("hub/\(model).expected.gguf"), output: folder.file("out.gguf"),
            plan: QuantizationPlan(type), threads: 2)
        try apply(expected.flags, to: &request, model: model)
        let converter = try Converter(request)
        #expect(converter.jobs.map(\.name) == tensors)
        #expect(
            converter.jobs.map(\.format.description).joined(separator: " ") == expected.types.uppercased())
        try converter.run()
        let bytes = try contents(request.output)
        #expect(bytes.count == expected.size)
        let digests = converter.layout.placements.enumerated().map { index, place in
            String(
                SHA256.hex(
                    bytes[place.offset..<place.offset + converter.jobs[index].byteCount]
                ).prefix(8))
        }
        for (index, digest) in expected.digests.split(separator: " ").enumerated() {
            #expect(digests[index] == digest, "\(tensors[index])")
        }
        #expect(SHA256.hex(bytes) == expected.sha256)
    }

    private func apply(_ flags: [String], to request: inout ConversionRequest, model: String) throws {
        var flags = flags[...]
        func argument() throws -> String {
            let argument = flags.popFirst()
            return try #require(argument)
        }
        while let flag = flags.popFirst() {
            switch flag {
            case "--pure": request.plan.isPure = true
            case "--imatrix":
                let name = try argument()
                let ending = name.split(separator: ".").last.map(String.init) ?? ""
                var importance = try ImportanceMatrix(path: Fixtures.path("imatrix/\(model).\(ending)"))
                // The name under which llama-quantize was given the file goes into its output.
                importance.path = name
                request.importance = importance
            case "--token-embedding-type": request.plan.embeddingType = try type(try argument())
            case "--output-tensor-type": request.plan.outputType = try type(try argument())
            case "--tensor-type":
                let parts = try argument().split(separator: "=").map(String.init)
                request.plan.overrides.append(try .init(pattern: parts[0], type: try type(parts[1])))
            default: Issue.record("no rule for \(flag)")
            }
        }
    }

    private func type(_ name: String) throws -> GGMLType { try #require(GGMLType(name)) }
}
