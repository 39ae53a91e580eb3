import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleQuantization

@Suite("Plan files")
struct PlanFileTests {
    private static func model() throws -> ModelCheckpoint {
        try ModelCheckpoint(path: Fixtures.path("hub/llama3"))
    }

    @Test("say of every plan what it comes to", arguments: QuantizationType.allCases.filter(\.isGGUF))
    func again(type: QuantizationType) throws {
        let model = try Self.model()
        let expected = try QuantizationPlan(type).resolve(model)
        var plan = QuantizationPlan(type)
        plan.file = try PlanFile(expected.text(type), path: "plan")
        #expect(plan.file?.type == type)
        let found = try plan.resolve(model)
        for (one, other) in zip(found.tensors, expected.tensors) {
            #expect(one.name == other.name && one.format == other.format, "\(one.name)")
        }
        #expect(found.text(type) == expected.text(type))
    }

    @Test("go before all other rules, which hold for matrices that are not named")
    func rules() throws {
        let model = try Self.model()
        var plan = QuantizationPlan(.q4_k_m)
        plan.overrides = [try .init(pattern: "attn", type: .q5_k)]
        plan.embeddingType = .q8_0
        plan.file = try PlanFile(
            """
            # which
            type q4_k_m   # as it is called

            token_embd.weight\tQ6_K
              blk.1.attn_q.weight f16 # whole
            """, path: "plan")
        let found = try plan.resolve(model)
        func format(_ name: String) -> WeightFormat? { found.tensors.first { $0.name == name }?.format }
        #expect(format("token_embd.weight") == .ggml(.q6_k) && format("blk.1.attn_q.weight") == .ggml(.f16))
        #expect(format("blk.0.attn_q.weight") == .ggml(.q5_k))
    }

    @Test(
        "with faults name the line",
        arguments: [
            ("type q4_0\nblk.0.attn_q.weight", "line 2: 'blk.0.attn_q.weight' is no name and a type"),
            ("type q4_0\na b c", "line 2: 'a b c' is no name and a type"),
            ("type q4_z", "line 1: 'q4_z' is no type of GGUF files; did you mean"),
            ("type int4", "line 1: 'int4' is no type of GGUF files"),
            ("type q4_0\n\ntype q4_0", "line 3: says the type of the whole once more"),
            ("type q4_0\na q4_y", "line 2: 'q4_y' is no type that is written; did you mean"),
            ("type q4_0\na iq2_xs", "line 2: 'iq2_xs' is no type that is written"),
            ("type q4_0\na q8_0\na q8_0", "line 3: names 'a' once more"),
            ("# nothing\n", "no line says the type of the whole; add one"),
        ])
    func faults(text: String, problem: String) throws {
        let error = #expect(throws: CheckpointError.self) { try PlanFile(text, path: "some.plan") }
        #expect(error?.description.contains("some.plan") == true)
        #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
    }

    @Test("of another model, and types that rows do not fit, are errors that name the matrix")
    func misfits() throws {
        let model = try Self.model()
        for (line, problem) in [
            ("blk.0.attn_k.wieght q4_0", "line 2: names 'blk.0.attn_k.wieght', which is no matrix of"),
            ("blk.7.attn_q.weight q4_0", "line 2: names 'blk.7.attn_q.weight'"),
            ("output_norm.weight q4_0", "line 2: names 'output_norm.weight'"),
            ("blk.0.ffn_down.weight q4_k", "has rows of 32 elements, Q4_K stores blocks of 256"),
        ] {
            var plan = QuantizationPlan(.q4_0)
            plan.file = try PlanFile("type q4_0\n" + line, path: "some.plan")
            let error = #expect(throws: CheckpointError.self) { try plan.resolve(model) }
            #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
        }
    }
}
