import Foundation
import NibbleNumerics
import Testing

@Suite("Kernel levels")
struct KernelLevelTests {
    @Test("the environment lowers the level")
    func environment() throws {
        #expect(KernelLevel.available.first == .scalar)
        #expect(KernelLevel.available.last == KernelLevel.best)
        #expect(try KernelLevel.selected(environment: [:]) == KernelLevel.best)
        #expect(try KernelLevel.selected(environment: ["PATH": "avx2"]) == KernelLevel.best)
        for level in KernelLevel.available {
            #expect(try KernelLevel.selected(environment: ["NIBBLE_KERNELS": "\(level)"]) == level)
        }
    }

    @Test("other values are errors", arguments: ["", "AVX2", "sse2", "avx2 ", "best"])
    func unknown(value: String) throws {
        #expect(throws: KernelLevelError.unknown(value)) {
            try KernelLevel.selected(environment: ["NIBBLE_KERNELS": value])
        }
    }

    @Test("levels beyond the machine are errors")
    func unsupported() throws {
        for level in KernelLevel.allCases where level > KernelLevel.best {
            #expect(throws: KernelLevelError.unsupported(level, best: .best)) {
                try KernelLevel.selected(environment: ["NIBBLE_KERNELS": level.rawValue])
            }
        }
        #expect(
            KernelLevelError.unsupported(.avx512, best: .avx2).description.hasPrefix(
                "NIBBLE_KERNELS is 'avx512', but this machine supports only up to 'avx2'; unset it or use one of: scalar"
            ))
        #expect(
            KernelLevelError.unknown("x").description.hasPrefix(
                "NIBBLE_KERNELS is 'x', which is not an instruction level; unset it or use one of: scalar"))
    }

    @Test("the library itself does not read the environment, and ends no process over it")
    func environmentIsThePrograms() async {
        await #expect(processExitsWith: .success) {
            setenv("NIBBLE_KERNELS", "mmx", 1)
            var bytes = [UInt8](repeating: 0, count: 18)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            try Q4_0().encode([Float](repeating: 1, count: 32).span, columns: 32, into: &raw)
        }
    }

    @Test("levels are ordered by demand")
    func order() {
        #expect(KernelLevel.allCases == [.scalar, .avx2, .avx512])
        #expect(KernelLevel.scalar < .avx2 && KernelLevel.avx2 < .avx512)
    }
}
