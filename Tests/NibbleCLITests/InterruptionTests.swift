import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Interrupted conversions")
struct InterruptionTests {
    /// A file that takes long enough to be interrupted: a Llama of random weights, 50 MB.
    private func largeInput(in folder: TemporaryFolder) throws -> String {
        let small = try GGUFFile(path: Fixtures.path("hub/llama3.expected.gguf"))
        var metadata = small.metadata
        metadata.set("llama.feed_forward_length", .uint32(32768))
        let tensors = small.tensors.map { tensor in
            CheckpointLayout.Tensor(
                name: tensor.name, shape: tensor.shape.map { $0 == 32 ? 32768 : $0 }, type: tensor.type)
        }
        let layout = try CheckpointLayout.gguf(
            path: folder.file("large.gguf"), metadata: metadata, tensors: tensors, splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: false)
        var generator = SeededGenerator(seed: 3)
        for (index, (tensor, original)) in zip(tensors, small.tensors).enumerated() {
            // What is not enlarged stays as it is: the divisors of rotary frequencies must mean something.
            var bytes = Array(original.bytes)
            if tensor.byteCount != bytes.count {
                // BF16 between 0.5 and 2: the high byte decides.
                bytes = [UInt8](repeating: 0x3F, count: tensor.byteCount)
                for place in stride(from: 0, to: bytes.count, by: 2) {
                    bytes[place] = UInt8.random(in: 0...255, using: &generator)
                }
            }
            try bytes.withUnsafeBytes {
                try writer.write($0, file: 0, offset: layout.placements[index].offset)
            }
        }
        try writer.commit(flush: false)
        return layout.path
    }

    @Test("50 interrupts at random moments leave the old file or the whole new one", .timeLimit(.minutes(5)))
    func random() throws {
        let folder = try TemporaryFolder()
        let input = try largeInput(in: folder)
        let output = folder.file("out.gguf")
        let command = [
            "convert", input, "-o", output, "--type", "q4_k_m", "--force", "--quiet", "--threads", "1",
        ]
        let start = ContinuousClock.now
        let first = try CommandLineTool.run(command)
        try #require(first.status == 0, "\(first.errors)")
        let duration = start.duration(to: .now) / .seconds(1)
        let whole = try contents(output)
        let old: [UInt8] = [1, 2, 3]
        var generator = SeededGenerator(seed: 4)
        var outcomes: [Int32: Int] = [:]
        for round in 0..<50 {
            try folder.write(old, to: "out.gguf")
            let process = CommandLineTool.process(command)
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            Thread.sleep(forTimeInterval: Double.random(in: 0...duration, using: &generator))
            // Every third is killed without a chance to clean up.
            let signal = [SIGINT, SIGTERM, SIGKILL][round % 3]
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            let status =
                process.terminationReason == .uncaughtSignal
                ? -process.terminationStatus : process.terminationStatus
            outcomes[status, default: 0] += 1
            let found = try contents(output)
            #expect(found == old || found == whole, "round \(round), status \(status)")
            if status == 130 {
                #expect(found == old)
                #expect(
                    try folder.names.filter { $0.contains("partial-\(process.processIdentifier)") }.isEmpty)
            }
            if status == 0 { #expect(found == whole) }
        }
        // The moments must have hit conversions under way, or the test shows nothing.
        #expect(outcomes[130, default: 0] > 5, "\(outcomes)")
        #expect(outcomes[-SIGKILL, default: 0] > 5, "\(outcomes)")
        // One more run removes what the killed ones left.
        #expect(try CommandLineTool.run(command).status == 0)
        #expect(try folder.names == ["large.gguf", "out.gguf"])
    }
}
