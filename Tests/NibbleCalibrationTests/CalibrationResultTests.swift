import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("The result of calibration")
struct CalibrationResultTests {
    @Test("names every method that did not run, and why, for each matrix and in all")
    func missing() {
        var result = CalibrationResult()
        #expect(result.notes.isEmpty)
        result.matrices = [
            .init(name: "a", methods: [.guidedQuant, .gptq]),
            .init(
                name: "b", methods: [.gptq],
                missing: [.init(method: .guidedQuant, reason: "no"), .init(method: .yaqa, reason: "never")]),
            .init(name: "c", methods: [.gptq], missing: [.init(method: .yaqa, reason: "not")], damping: 0.1),
        ]
        #expect(
            result.matrices.map(\.summary) == [
                "guidedquant+gptq", "gptq, no guidedquant: no, no yaqa: never",
                "gptq, damped by 0.1, no yaqa: not",
            ])
        #expect(
            result.notes == [
                "1 matrix is rounded with all tokens alike; it is 'b': no",
                "2 matrices are rounded without YAQA; the first is 'b': never",
                "1 matrix is damped more than usual; it is 'c': its input Hessian has a Cholesky factor with 0.1 of its "
                    + "mean diagonal added",
            ])
        #expect(
            CalibrationResult(["a", "b"], without: .importance, "so").notes
                == ["2 matrices are left with the scales of the codec; the first is 'a': so"])
    }

    @Test("says of outputs without gradients that tokens weigh the same and rows are rounded one by one")
    func zeroGradients() throws {
        let student = try CalibrationSample.student()
        // The first of two tokens attends to itself whatever its query and key; the second predicts nothing.
        let result = try CalibrationSample.round(
            student, CalibrationSample.sequences(40, length: 2), tokenWeights: .gradient)
        for matrix in result.matrices {
            let isZero = matrix.name.contains("attn_q") || matrix.name.contains("attn_k")
            #expect(
                matrix.missing.map(\.method) == (isZero ? [.guidedQuant, .yaqa] : []), "\(matrix.summary)")
            #expect(matrix.methods.contains(.yaqa) == !isZero)
        }
        #expect(result.notes.count == 2)
    }
}
