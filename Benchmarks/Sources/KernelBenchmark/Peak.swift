import CPeak
import Dispatch

/// Arithmetic without memory.
enum Peak {
    /// The kinds, numbered as in C.
    enum Kind: Int, CaseIterable {
        case f32 = 0
        case bf16 = 1
        case int8 = 2
    }

    /// About 10 ms.
    private static let loops: Int64 = 2_500_000

    /// Additions and multiplications that `threads` threads do in a run.
    static func operations(_ kind: Kind, threads: Int) -> Double {
        guard peak_is_supported(Int32(kind.rawValue)) != 0 else { return 0 }
        var sink: Float = 0
        return peak_run(Int32(kind.rawValue), 1, &sink) * Double(loops) * Double(threads)
    }

    static func run(_ kind: Kind, threads: Int) {
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            var sink: Float = 0
            _ = peak_run(Int32(kind.rawValue), loops, &sink)
        }
    }
}

extension Measurement {
    static func peak(_ kind: Peak.Kind, threads: Int) -> Measurement {
        Measurement(amount: Peak.operations(kind, threads: threads)) { Peak.run(kind, threads: threads) }
    }
}
