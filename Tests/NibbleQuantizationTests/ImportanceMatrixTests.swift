import NibbleCheckpoint
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Importance matrices")
struct ImportanceMatrixTests {
    @Test("Both forms of a file give the same weights", arguments: ["gemma3-text", "llama3", "smollm2"])
    func forms(model: String) throws {
        let gguf = try ImportanceMatrix(path: Fixtures.path("imatrix/\(model).gguf"))
        let legacy = try ImportanceMatrix(path: Fixtures.path("imatrix/\(model).dat"))
        #expect(gguf.weights.count > 5)
        #expect(Set(gguf.weights.keys) == Set(legacy.weights.keys))
        for (name, values) in gguf.weights {
            let others = try #require(legacy.weights[name])
            // The older form stores the mean times the number of calls: one rounding more.
            for (a, b) in zip(values, others) { #expect(abs(a - b) <= 1e-6 * abs(a)) }
        }
        #expect(gguf.chunkCount == legacy.chunkCount)
        #expect(gguf.datasets == legacy.datasets)
    }

    @Test(
        "A broken file is a typed error that names it",
        arguments: [
            ("nan.dat", CheckpointError.Code.invalidValue, "weight 4 is nan"),
            ("nan.gguf", .invalidValue, "weight 4 is nan"),
            ("truncated.dat", .malformed, "announces"),
            ("empty.dat", .malformed, "no importance matrix"),
            ("no-metadata.gguf", .missing, "imatrix.datasets"),
            ("no-counts.gguf", .inconsistent, "blk.0.attn_q.weight.in_sum2"),
        ])
    func broken(name: String, code: CheckpointError.Code, part: String) throws {
        let error = #expect(throws: CheckpointError.self) {
            _ = try ImportanceMatrix(path: Fixtures.path("broken/imatrix/\(name)"))
        }
        #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "")")
        #expect("\(error.map(String.init(describing:)) ?? "")".contains(part))
    }

    @Test("A file of fewer tokens than a chunk, which llama-imatrix says to have none, has its weights")
    func partOfChunk() throws {
        let folder = try TemporaryFolder()
        var matrix = try ImportanceMatrix(path: Fixtures.path("imatrix/llama3.gguf"))
        (matrix.chunkCount, matrix.chunkSize) = (0, 2048)
        try matrix.write(to: folder.file("a.gguf"))
        let read = try ImportanceMatrix(path: folder.file("a.gguf"))
        #expect(read.chunkCount == 0 && read.chunkSize == 2048)
        for (name, values) in matrix.weights {
            let others = try #require(read.weights[name])
            for (a, b) in zip(values, others) { #expect(abs(a - b) <= 1e-6 * abs(a)) }
        }
    }

    @Test("A file that is something else is an error")
    func foreign() throws {
        for name in ["quantized.json", "hub/llama3.expected.gguf", "hub/llama3/model.safetensors"] {
            #expect(throws: CheckpointError.self) { _ = try ImportanceMatrix(path: Fixtures.path(name)) }
        }
    }
}
