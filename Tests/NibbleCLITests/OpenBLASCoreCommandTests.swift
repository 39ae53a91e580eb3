import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("The kernels of OpenBLAS that nibble runs")
struct OpenBLASCoreCommandTests {
    private let model = Fixtures.path("hub/llama3.expected.gguf")
    private let text = Fixtures.path("texts/english.txt")

    @Test(
        "OpenBLAS runs the kernels that the environment names, else some that use the processor's vectors",
        .enabled(if: KernelLevel.best >= .avx2, "this machine has no AVX2"))
    func openBLASCore() throws {
        func core(_ environment: String) throws -> String {
            let result = try CommandLineTool.shell(
                #"env \#(environment) "$NIBBLE" perplexity "$1" --text "$2" --context 32 --precision f32"#,
                [model, text])
            try #require(result.status == 0, "\(result.errors)")
            let rest = try #require(result.errors.split(separator: "(OpenBLAS, ").dropFirst().first)
            return String(try #require(rest.split(separator: ")").first))
        }
        #expect(try core("OPENBLAS_CORETYPE=Prescott") == "Prescott")
        #expect(try core("OPENBLAS_CORETYPE=Haswell") == "Haswell")
        let chosen = try core("-u OPENBLAS_CORETYPE")
        #expect(OpenBLASCore.advised(instead: chosen, level: .best) == nil, "\(chosen)")
    }
}
