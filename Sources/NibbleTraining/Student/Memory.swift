internal import NibbleTensor

// @unchecked: who writes and who reads is settled by the steps of a training run.
/// Memory of a fixed size, zero at first.
final class Memory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        let count = max(byteCount, 1)
        bytes = UnsafeMutableRawBufferPointer(start: SystemMemory.zeros(bytes: count), count: count)
    }

    deinit {
        if let start = bytes.baseAddress { SystemMemory.giveBack(start, bytes: bytes.count) }
    }

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
