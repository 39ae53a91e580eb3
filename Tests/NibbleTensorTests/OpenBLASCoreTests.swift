import NibbleNumerics
import NibbleTensor
import Testing

@Suite("OpenBLAS's kernels")
struct OpenBLASCoreTests {
    @Test("Kernels without the processor's vectors are replaced, others are left")
    func advice() {
        #expect(OpenBLASCore.advised(instead: "Prescott", level: .avx512) == "SkylakeX")
        #expect(OpenBLASCore.advised(instead: "Prescott", level: .avx2) == "Haswell")
        #expect(OpenBLASCore.advised(instead: "Sandybridge", level: .avx2) == "Haswell")
        #expect(OpenBLASCore.advised(instead: "Prescott", level: .scalar) == nil)
        for core in ["Haswell", "Zen", "SkylakeX", "Cooperlake", "Sapphirerapids", "armv8", "vortex"] {
            #expect(OpenBLASCore.advised(instead: core, level: .avx512) == nil)
        }
    }

    @Test("What the environment names is left")
    func environment() {
        let named = [OpenBLASCore.environmentVariable: "Prescott"]
        #expect(OpenBLASCore.advised(level: .best, environment: named) == nil)
        #expect(!OpenBLASCore.current.isEmpty)
    }
}
