import NibbleCheckpoint
import NibbleEvaluation
import NibbleQuantization
import Testing

@Suite("Devices, and what fits on them")
struct DeviceTests {
    @Test("have names of their own, a source, and less for a model than they have")
    func table() {
        #expect(Device.all.count > 100)
        #expect(Set(Device.all.map(\.name)).count == Device.all.count)
        for device in Device.all {
            #expect(device.source.hasPrefix("https://"), "\(device.name)")
            #expect(device.usableBytes > 0 && device.usableBytes < device.bytes, "\(device.name)")
            #expect(device.bytes.isMultiple(of: 1 << 30), "\(device.name)")
        }
    }

    @Test(
        "are found by their names, with and without maker, size and capitals",
        arguments: [
            ("RTX 3090", "RTX 3090"), ("NVIDIA GeForce RTX 3090", "RTX 3090"), ("rtx3090", "RTX 3090"),
            ("Apple M4 Max 64GB", "M4 Max 64 GB"), ("RTX 4060 Ti 16 GB", "RTX 4060 Ti 16 GB"),
            ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
            ("Ryzen AI Max+ 395 128 GB", "Ryzen AI Max+ 395 128 GB"),
        ])
    func named(name: String, expected: String) throws {
        #expect(try Device.named(name).name == expected)
    }

    @Test(
        "that are unknown, or known with several sizes, are errors that say what to name",
        arguments: [
            ("RTX 3091", "did you mean 'RTX 3090'"),
            ("RTX 4060 Ti", "'RTX 4060 Ti 8 GB', 'RTX 4060 Ti 16 GB'"),
            ("M4 Max", "'M4 Max 36 GB'"), ("abacus of my grandmother", "as 24G"), ("", "as 24G"),
        ])
    func unknown(name: String, advice: String) {
        #expect {
            try Device.named(name)
        } throws: {
            "\($0)".contains(advice)
        }
    }

    /// Logs of llama.cpp, MiB: what a card had free for buffers, less what was not accounted for; what Metal recommends.
    @Test(
        "have at least what a model may use",
        arguments: [
            ("RTX 3090", 23860 - 190), ("RTX 3060", 11790 - 451), ("RTX 4090", 24080 - 456),
            ("M1 16 GB", 10922),
            ("M1 Max 64 GB", 49152), ("M2 Max 96 GB", 73728), ("RX 9070 XT", 16140 - 254),
        ])
    func usable(name: String, mebibytes: Int) throws {
        let usable = try Device.named(name).usableBytes >> 20
        // An estimate to the safe side, and no worse than a tenth.
        #expect(usable <= mebibytes && usable > mebibytes * 9 / 10, "\(usable)")
    }

    @Test("hold all layers where these fit, else the last ones")
    func placement() throws {
        let memory = try InferenceMemory(
            MemorySubject("gemma-3-27b"), QuantizationPlan(.q4_0), .init(context: 8192))
        let large = try DevicePlacement(memory, on: Device.named("RTX 3090"))
        #expect(large.fits && large.layers == 63)
        // Everything but the logits that are handed out and the embedding, of which the head is a copy.
        #expect(large.neededBytes == memory.total - memory.outputBytes)
        let context = try #require(large.longestContext)
        #expect(context > 8192)
        let small = try DevicePlacement(memory, on: Device.named("RTX 3060"))
        #expect(!small.fits && (20..<63).contains(small.layers) && small.longestContext == nil)
        let exact = try DevicePlacement(memory, on: Device(bytes: memory.total, name: "exact"))
        #expect(exact.fits && exact.layers == 63)
        let short = try DevicePlacement(memory, on: Device(bytes: memory.total - 1, name: "short"))
        #expect(short.layers == 0 && short.layerCount == 63)
    }
}
