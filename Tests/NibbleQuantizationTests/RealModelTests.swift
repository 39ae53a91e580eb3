import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Real models", .serialized, .enabled(if: RealModels.folder != nil, "\(RealModels.hint)"))
struct RealModelTests {
    @Test(
        "All types are equal to llama-quantize's files, and llama.cpp runs them",
        arguments: ["gemma-3-270m", "smollm2-135m"])
    func allTypes(name: String) throws {
        let folder = try TemporaryFolder()
        let digests = try RealModels.digests(name)
        let bf16 = folder.file("bf16.gguf")
        try convert(RealModels.source(name), to: bf16, .bf16)
        #expect(try RealModels.sha256(bf16) == digests["source bf16"])
        let importance = try syntheticImportance(bf16)
        var compared = 0
        for type in QuantizationType.allCases.filter(\.isGGUF) {
            let output = folder.file("out.gguf")
            try convert(bf16, to: output, type)
            #expect(try RealModels.sha256(output) == digests[type.rawValue], "\(type)")
            try runWithLlama(output)
            compared += 1
            guard let weighted = digests["\(type.rawValue) imatrix"] else { continue }
            try convert(bf16, to: output, type, importance: importance)
            #expect(try RealModels.sha256(output) == weighted, "\(type) with importance matrix")
            compared += 1
        }
        #expect(compared == digests.count - 1)
    }

    @Test("GGUF to hub folder and back is the identity", arguments: ["gemma-3-270m", "smollm2-135m"])
    func roundTrip(name: String) throws {
        let folder = try TemporaryFolder()
        try convert(RealModels.source(name), to: folder.file("start.gguf"), .bf16)
        try convert(folder.file("start.gguf"), to: folder.file("hub"), .bf16)
        try convert(folder.file("hub"), to: folder.file("end.gguf"), .bf16)
        let start = try GGUFFile(path: folder.file("start.gguf"))
        let end = try GGUFFile(path: folder.file("end.gguf"))
        #expect(start.tensors.map(\.name) == end.tensors.map(\.name))
        for (a, b) in zip(start.tensors, end.tensors) {
            #expect(a.shape == b.shape && a.type == b.type, "\(a.name)")
            let (left, right) = (try #require(a.bytes.baseAddress), try #require(b.bytes.baseAddress))
            #expect(memcmp(left, right, a.range.count) == 0, "\(a.name)")
        }
        for key in ["tokens", "scores", "token_type", "merges", "bos_token_id", "eos_token_id", "pre"] {
            let key = "tokenizer.ggml." + key
            #expect(try start.metadata.value(key) == end.metadata.value(key), "\(key)")
        }
    }

    private func convert(
        _ input: String, to output: String, _ type: QuantizationType, importance: ImportanceMatrix? = nil
    ) throws {
        var request = ConversionRequest(
            input: input, output: output, plan: QuantizationPlan(type), threads: 2)
        request.replacesOutput = true
        // The published files are quantized: what they decode to lies on lattices.
        request.keepsLattices = false
        request.importance = importance
        try Converter(request).run()
    }

    /// The importance matrix of make_real_digests.py.
    private func syntheticImportance(_ path: String) throws -> ImportanceMatrix {
        let matrices = try GGUFFile(path: path).tensors
            .filter { $0.name.hasPrefix("blk.") && $0.shape.count == 2 }.sorted { $0.name < $1.name }
        var weights: [String: [Float]] = [:]
        for (index, tensor) in matrices.enumerated() {
            weights[tensor.name] = (0..<tensor.columns).map { column in
                Float((40503 * index + 2_654_435_761 * column) % 65536 + 1) / 65536
            }
        }
        return ImportanceMatrix(path: "imatrix.dat", weights: weights)
    }

    /// Loads a file with llama.cpp and lets it continue a text.
    private func runWithLlama(_ path: String) throws {
        let python = try #require(ReferencePython.path, "\(ReferencePython.hint("xllamacpp"))")
        let script = Fixtures.folder + "/../../scripts/run_gguf.py"
        let result = try RealModels.run(
            python, [script, path, "--prompt", "The capital of France is", "--tokens", "8"])
        #expect(result.status == 0)
        // SmolLM2 in Q3_K_L answers with a year.
        #expect(result.output.contains { $0.isLetter || $0.isNumber })
    }
}
