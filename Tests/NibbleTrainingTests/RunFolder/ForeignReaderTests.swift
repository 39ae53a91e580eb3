import Foundation
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Checkpoints in other hands")
struct ForeignReaderTests {
    @Test(
        "are read by the safetensors library, values and metadata",
        .enabled(
            if: ReferencePython.path != nil, "\(ReferencePython.hint("safetensors"))"))
    func safetensors() throws {
        let python = try #require(ReferencePython.path)
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 12, count: 16)
        let script = """
            import sys
            from safetensors import safe_open
            with safe_open(sys.argv[1], framework="np") as file:
                for name in sorted(file.keys()):
                    value = file.get_tensor(name)
                    print(name, value.dtype, value.shape, value.tobytes().hex())
                print(file.metadata()["note"], file.metadata()["nibble.step"])
            """
        let result = try RealModels.run(python, ["-c", script, run.checkpointPath(12)])
        let bytes = RunSample.bytes(step: 12, count: 16)
        func hex(_ count: Int) -> String {
            bytes.prefix(count).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        #expect(result.status == 0)
        #expect(
            result.output == """
                flags uint8 (3,) \(hex(3))
                generator uint64 () \(hex(8))
                tokens int32 (2,) \(hex(8))
                weights float32 (4,) \(hex(16))
                step 12 12

                """)
    }
}
