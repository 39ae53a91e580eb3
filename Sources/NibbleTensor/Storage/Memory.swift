// @unchecked: who writes and who reads is settled by those who share it.
/// Memory of a fixed size, zero at first.
package final class Memory: @unchecked Sendable {
    package let bytes: UnsafeMutableRawBufferPointer

    package init(byteCount: Int) {
        let count = max(byteCount, 1)
        bytes = UnsafeMutableRawBufferPointer(start: SystemMemory.zeros(bytes: count), count: count)
    }

    deinit {
        if let start = bytes.baseAddress { SystemMemory.giveBack(start, bytes: bytes.count) }
    }

    /// The start, as elements of a type.
    package func bound<Element>(to type: Element.Type) -> UnsafeMutablePointer<Element> {
        guard let start = bytes.baseAddress else { preconditionFailure("memory without an address") }
        return start.assumingMemoryBound(to: type)
    }

    /// The start, as floats.
    package var floats: UnsafeMutablePointer<Float> { bound(to: Float.self) }

    /// The floats of some rows of `width`.
    package func floats(_ rows: Range<Int>, of width: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: floats + rows.lowerBound * width, count: rows.count * width)
    }

    /// The same bytes in memory of their own.
    package func copy() -> Memory {
        let copy = Memory(byteCount: bytes.count)
        copy.bytes.copyMemory(from: UnsafeRawBufferPointer(bytes))
        return copy
    }

    /// Some of the bytes.
    package func slice(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[range])
    }
}
