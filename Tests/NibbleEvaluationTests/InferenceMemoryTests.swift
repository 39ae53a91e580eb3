import NibbleCheckpoint
import NibbleEvaluation
import NibbleNumerics
import NibbleQuantization
import Testing

@Suite("What a model takes in memory in llama.cpp")
struct InferenceMemoryTests {
    /// What llama.cpp of llama-cpp-python 0.3.36 printed for Gemma 3 270M: options, cells and MiB of the layers that see all
    /// positions, cells and MiB of those with a window, and MiB of the compute buffer.
    struct Printed: Sendable, CustomTestStringConvertible {
        var context: Int
        var sequences = 1
        var batch = 512
        var type = GGMLType.f16
        var isFull = false
        var global: (cells: Int, bytes: Double)
        var sliding: (cells: Int, bytes: Double)
        var compute = 514.50
        var testDescription: String { "-c \(context) -np \(sequences) -ub \(batch) -ctk \(type)" }
    }

    private static let recorded = [
        // llama-perplexity runs several chunks of a batch as sequences: -c is that of one.
        Printed(context: 2048, sequences: 4, global: (512, 6), sliding: (512, 30)),
        Printed(context: 4096, global: (4096, 12), sliding: (1024, 15)),
        Printed(context: 32_768, global: (32_768, 96), sliding: (1024, 15)),
        Printed(context: 4096, type: .q8_0, global: (4096, 6.38), sliding: (1024, 7.97)),
        Printed(context: 4096, type: .q4_0, global: (4096, 3.38), sliding: (1024, 4.22)),
        Printed(
            context: 8192, batch: 2048, global: (8192, 24), sliding: (2560, 37.50), compute: 2058.01),
        Printed(context: 8192, isFull: true, global: (8192, 24), sliding: (8192, 120)),
        Printed(context: 2000, sequences: 2, global: (1024, 6), sliding: (1024, 30)),
    ]

    private static func mebibytes(_ bytes: Int) -> Double { Double(bytes) / 1_048_576 }

    @Test("is for Gemma 3 270M what llama.cpp printed", arguments: recorded)
    func gemma(printed: Printed) throws {
        var options = KeyValueMemory.Options(context: printed.context)
        options.sequences = printed.sequences
        options.batch = printed.batch
        (options.keyType, options.valueType) = (printed.type, printed.type)
        options.isFull = printed.isFull
        let plan = try InferenceMemory(MemorySubject("gemma-3-270m"), QuantizationPlan(.bf16), options)
        let cache = plan.cache
        #expect(cache.layers == 3 && cache.slidingLayers == 15)
        // It prints the cells of a sequence.
        #expect(cache.cells == printed.global.cells * printed.sequences)
        #expect(cache.slidingCells == printed.sliding.cells * printed.sequences)
        #expect(abs(Self.mebibytes(cache.globalBytes) - printed.global.bytes) < 0.006)
        #expect(abs(Self.mebibytes(cache.slidingBytes) - printed.sliding.bytes) < 0.006)
        #expect(abs(Self.mebibytes(plan.computeBytes) / printed.compute - 1) < 1e-4)
        #expect(Self.mebibytes(plan.outputBytes) == Double(printed.sequences))
    }

    /// The same of SmolLM2 135M, all of whose layers see all positions; the last with masks of attention that are larger
    /// than the logits.
    @Test(
        "is for SmolLM2 135M what llama.cpp printed",
        arguments: [
            (4096, GGMLType.f16, 90, 98.25), (32_768, .f16, 720, 98.25), (4096, .q8_0, 47.81, 99.38),
            (4096, .q4_0, 25.31, 99.38), (65_536, .q4_0, 405, 99.38), (131_072, .q4_0, 810, 140.42),
        ])
    func smollm(context: Int, type: GGMLType, cache: Double, compute: Double) throws {
        var options = KeyValueMemory.Options(context: context)
        (options.keyType, options.valueType) = (type, type)
        let plan = try InferenceMemory(MemorySubject("smollm2-135m"), QuantizationPlan(.bf16), options)
        #expect(plan.cache.slidingCells == nil && plan.cache.layers == 30)
        #expect(abs(Self.mebibytes(plan.cache.bytes) - cache) < 0.006)
        #expect(abs(Self.mebibytes(plan.computeBytes) / compute - 1) < 0.03)
        #expect(abs(Self.mebibytes(plan.weights.total) - 256.63) < 0.006)
        #expect(plan.outputBytes == 4 * 49_152)
    }

    @Test("of weights is what the file has")
    func weights() throws {
        let subject = try MemorySubject("gemma-3-270m")
        let plan = try InferenceMemory(subject, QuantizationPlan(.bf16), .init(context: 512))
        // CPU_Mapped model buffer size = 511.46 MiB, with norms in F32.
        #expect(abs(Self.mebibytes(plan.weights.total) - 511.46) < 0.006, "\(plan.weights)")
        #expect(plan.weights.head == 0 && plan.weights.embedding == 262_144 * 640 * 2)
    }

    @Test("fits with the longest context that does")
    func longest() throws {
        let subject = try MemorySubject("gemma-3-4b")
        func total(_ context: Int) throws -> Int {
            try InferenceMemory(subject, QuantizationPlan(.q4_0), .init(context: context)).total
        }
        let memory = try InferenceMemory(subject, QuantizationPlan(.q4_0), .init(context: 512))
        let bytes = 4_000_000_000
        let found = try #require(try memory.longestContext(within: bytes))
        #expect(try total(found) <= bytes)
        #expect(try found < 131_072 && total(found + 256) > bytes)
        #expect(try memory.longestContext(within: 1_000_000_000) == nil)
        #expect(try memory.longestContext(within: 1 << 40) == 131_072)
    }

    @Test("of a type that a position does not fill is an error")
    func type() throws {
        var options = KeyValueMemory.Options(context: 512)
        options.keyType = .q4_k
        #expect(throws: Never.self) {
            try InferenceMemory(MemorySubject("gemma-3-270m"), QuantizationPlan(.q4_0), options)
        }
        #expect(throws: CheckpointError.self) {
            try InferenceMemory(MemorySubject("qwen2.5-0.5b"), QuantizationPlan(.q4_0), options)
        }
    }
}
