// @unchecked: who writes and who reads is settled by the steps of a training run.
/// Memory of a fixed size, zero at first.
final class Memory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        bytes = .allocate(byteCount: max(byteCount, 1), alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }

    /// The start, as floats.
    var floats: UnsafeMutablePointer<Float> {
        guard let start = bytes.baseAddress else { preconditionFailure("memory without an address") }
        return start.assumingMemoryBound(to: Float.self)
    }

    /// Some of the bytes.
    func slice(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[range])
    }
}
