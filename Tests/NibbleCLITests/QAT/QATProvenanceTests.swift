import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

/// What files say of the weights in them is what was measured of these very weights.
@Suite("The provenance of an exported state")
struct QATProvenanceTests {
    /// What runs on the matrices of blocks by default.
    private static let all = "guidedquant+gptaq+importance+gptq+yaqa+coordinate_descent"

    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    /// A run whose scales are learned, so that it is calibrated first.
    private func command(_ output: String, steps: Int, evaluations: Int, saves: Int) -> [String] {
        runs.command(
            output, steps: steps,
            [
                "--set", "quantization.scales=learned", "--set", "calibration.sequences=4",
                "--set", "evaluation.every=\(evaluations)", "--set", "checkpoints.every=\(saves)",
                "--set", "checkpoints.keep=100", "--quiet",
            ])
    }

    private func provenance(_ path: String) throws -> Provenance {
        try #require(try ModelCheckpoint(path: path).provenance())
    }

    private func exported(_ run: String, _ state: String) throws -> Provenance {
        let path = runs.path("\(run)-\(state).gguf")
        try runs.run(["qat", "export", runs.path(run), "-o", path, "--state", state, "--quiet"])
        return try provenance(path)
    }

    /// The perplexities of a run's evaluations by their steps; -1 for weights rounded to nearest that are calibrated then.
    private func perplexities(_ run: String) throws -> [Int: Double] {
        try runs.metrics(run).reduce(into: [:]) { found, line in
            for (prefix, earlier) in [("", 0), ("rounded_", 1)] {
                guard let value = line["\(prefix)held_out_perplexity"] as? Double else { continue }
                let step = try #require(line["step"] as? Int) - earlier
                #expect((line["\(prefix)held_out_perplexity_error"] as? Double ?? 0) > 0)
                #expect(found.updateValue(value, forKey: step) == nil)
            }
        }
    }

    /// Whether both are the same number; the metrics' one was read by another reader of decimals.
    private func equal(_ left: Double?, _ right: Double?) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        return abs(left - right) <= 1e-12 * abs(right)
    }

    @Test("has the perplexity of a state that was evaluated, and none of one that was not")
    func schedules() throws {
        try runs.run(command("run", steps: 7, evaluations: 3, saves: 2))
        let measured = try perplexities("run")
        #expect(measured.keys.sorted() == [-1, 0, 3, 6, 7])
        for step in try runs.savedSteps("run") {
            let found = try exported("run", "\(step)")
            #expect(found.steps == step)
            #expect(equal(found.perplexities["rounded"], measured[-1]))
            #expect(equal(found.perplexities["calibrated"], measured[0]))
            let own = step == 0 ? nil : measured[step]
            #expect(equal(found.perplexities["trained"], own), "step \(step)")
            #expect(found.perplexities["teacher"] != nil && found.heldOutTextDigest != nil)
        }
        // Where saves and evaluations meet, and where they do not.
        #expect(try runs.savedSteps("run").contains(4) && measured[4] == nil)
        let whole = try provenance(runs.path("run") + "/model.gguf")
        #expect(whole.steps == 7 && equal(whole.perplexities["trained"], measured[7]))
        #expect(try exported("run", "last") == whole)
    }

    @Test("is of rounded weights before training rounds them, too")
    func startStep() throws {
        try runs.run(
            command("run", steps: 5, evaluations: 2, saves: 2) + ["--set", "quantization.start_step=4"])
        let divergences = try runs.metrics("run").compactMap { $0["held_out_loss"] as? Double }
        // Unrounded weights of step 2 would diverge by next to nothing.
        #expect(divergences.count == 4 && divergences[1] > divergences[0] / 2)
        let found = try exported("run", "2")
        #expect(equal(found.perplexities["trained"], try perplexities("run")[2]))
        let methods = try #require(found.calibration?.methods)
        #expect(methods.contains { $0.tensor.hasPrefix("blk.") })
        for method in methods {
            let reason = method.tensor.hasPrefix("blk.") ? ", no gptq: quantization.start_step is 4" : ""
            #expect(method.methods == "nearest" + reason, "\(method.tensor)")
        }
    }

    @Test("of a run that was interrupted has no perplexity of its own, and says the rest like any other")
    func interrupted() throws {
        // The evaluations before and after calibration, and three steps.
        let (_, _, status) = try runs.interrupt(
            command("run", steps: 100_000, evaluations: 100_000, saves: 100_000), run: "run", signal: SIGINT,
            lines: 5)
        #expect(status == 130)
        let step = try #require(try runs.savedSteps("run").max())
        #expect(step >= 3)
        let found = try exported("run", "last")
        #expect(found.steps == step && found.perplexities["trained"] == nil)
        let measured = try perplexities("run")
        #expect(equal(found.perplexities["rounded"], measured[-1]))
        #expect(equal(found.perplexities["calibrated"], measured[0]))
    }

    @Test("says of every matrix what ran on it, on which text and how many tokens")
    func methods() throws {
        try runs.run(command("run", steps: 0, evaluations: 1, saves: 1))
        let path = runs.path("run") + "/model.gguf"
        let found = try provenance(path)
        let calibration = try #require(found.calibration)
        #expect(calibration.tokens == 4 * 64 && calibration.textDigest == found.textDigest)
        let quantized = try GGUFFile(path: path).tensors.filter(\.type.isQuantized)
        let matrices = quantized.filter { $0.name.hasPrefix("blk.") }
        #expect(calibration.methods.map(\.tensor).sorted() == quantized.map(\.name).sorted())
        #expect(calibration.methods.contains { $0.tensor == "token_embd.weight" && $0.methods == "nearest" })
        #expect(calibration.methods.allSatisfy { $0.methods == Self.all || !$0.tensor.hasPrefix("blk.") })
        let text = try runs.run(["inspect", path]).output
        #expect(text.contains("\(Self.all): \(matrices.count) matrices"))
        // A folder says the same.
        let folder = runs.path("folder")
        try runs.run(["qat", "export", runs.path("run"), "-o", folder, "--quiet"])
        #expect(try provenance(folder) == found)
        // Nothing was calibrated: nearest, on no text.
        try runs.run(runs.command("plain", steps: 2, ["--quiet"]))
        let plain = try #require(try provenance(runs.path("plain") + "/model.gguf").calibration)
        #expect(plain.tokens == 0 && plain.textDigest == nil)
        #expect(plain.methods.count > 50 && plain.methods.allSatisfy { $0.methods == "nearest" })
    }
}
