/// A machine, or a graphics card in one, that a model may run on.
///
/// ```swift
/// let device = try Device.named("RTX 3090")
/// print(device.bytes, device.usableBytes)
/// ```
public struct Device: Sendable, Equatable {
    /// Its name, with the size of its memory where there are several.
    public let name: String
    /// What kind of memory it has.
    public let kind: Kind
    /// Bytes of memory.
    public let bytes: Int
    /// Bytes of them that a model can have: an estimate.
    public let usableBytes: Int
    /// Where the size of its memory is published; empty for a size that a user states.
    public let source: String

    /// What kind of memory a device has, and so what is kept of it.
    public enum Kind: String, CaseIterable, Sendable {
        /// A graphics card of NVIDIA, with CUDA.
        case nvidia
        /// A graphics card of AMD, with ROCm or Vulkan.
        case amd
        /// An Apple chip, whose memory is processor's and GPU's.
        case apple
        /// Another chip whose memory is processor's and GPU's.
        case unified
        /// A small computer.
        case board
        /// A telephone.
        case phone
        /// A size that a user states.
        case memory

        /// Whether its memory is that of a card beside the processor's.
        public var isCard: Bool { self == .nvidia || self == .amd }
    }

    /// Memory of a size of which a model can have all.
    public init(bytes: Int, name: String) {
        self.init(name: name, kind: .memory, bytes: bytes, usable: bytes, source: "")
    }

    init(name: String, kind: Kind, bytes: Int, usable: Int?, source: String) {
        self.name = name
        self.kind = kind
        self.bytes = bytes
        self.source = source
        usableBytes = usable ?? kind.usable(bytes)
    }
}

extension Device.Kind {
    /// What a model can have of the memory of a device, in bytes, as logs of llama.cpp show it: an estimate to the safe side.
    ///
    /// - NVIDIA, no desktop on the card: the driver keeps 256 MiB and 1.8 %, the context takes 300 MiB, from 32 GiB on 600,
    ///   products and graphs 200 (ggml-org/llama.cpp, pull requests 15860 and 20595: 120 to 550 MiB of context, 451 to 456
    ///   in all that buffers do not account for; totals of 11,906 to 97,288 MiB printed).
    /// - AMD: the budget of Vulkan is 95 %, 300 MiB are not accounted for (issue 16832: 60.80 of 64.00 GiB).
    /// - Apple: `recommendedMaxWorkingSetSize` of macOS up to 15, two thirds up to 32 GiB and three quarters above (issues
    ///   1870, 3213 and 4495); later systems allow 74 to 84 %, and `sudo sysctl iogpu.wired_limit_mb` what one likes.
    /// - Small computers: the system sees 94 % of the memory (3,925 of 4,096 MiB, 7,607 of 8,192) and keeps 1 GiB of it, which
    ///   is what `--fit` of llama.cpp leaves.
    /// - Telephones: an application may have some 70 % on iPhones, where its developer asks for it (a-ghorbani/pocketpal-ai,
    ///   pull request 651: 4.20 of 6 GB), and nobody promises more elsewhere.
    /// - Other chips with common memory: the half that the kernel of Linux gives to the GPU unless told otherwise.
    func usable(_ bytes: Int) -> Int {
        let mebibyte = 1 << 20
        switch self {
        case .nvidia:
            let context = bytes < 32 << 30 ? 300 : 600
            return bytes - (256 + context + 200) * mebibyte - bytes * 18 / 1000
        case .amd: return bytes * 95 / 100 - 300 * mebibyte
        case .apple: return bytes <= 32 << 30 ? bytes * 2 / 3 : bytes * 3 / 4
        case .unified: return bytes / 2
        case .board: return max(bytes * 94 / 100 - 1024 * mebibyte, 0)
        case .phone: return bytes * 7 / 10
        case .memory: return bytes
        }
    }
}
