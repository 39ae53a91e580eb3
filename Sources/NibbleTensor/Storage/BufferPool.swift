internal import Synchronization

/// Memory that is handed out again and again: fresh pages cost more than the arithmetic on them.
package final class BufferPool: Sendable {
    // The pointers in it are owned by nobody else.
    private struct Free: @unchecked Sendable {
        var bySize: [Int: [UnsafeMutableRawPointer]] = [:]

        mutating func release() {
            for (size, pointers) in bySize {
                for pointer in pointers { SystemMemory.giveBack(pointer, bytes: size) }
            }
            bySize = [:]
        }
    }

    private let free = Mutex(Free())

    package init() {}

    /// A buffer of at least `bytes` bytes, aligned to 64; its contents are arbitrary.
    package func take(bytes: Int) -> Buffer {
        let size = Self.sizeClass(bytes)
        if let pointer = free.withLock({ $0.bySize[size]?.popLast() }) {
            return Buffer(pointer: pointer, size: size, pool: self)
        }
        return Buffer(pointer: SystemMemory.take(bytes: size), size: size, pool: self)
    }

    func give(_ pointer: UnsafeMutableRawPointer, size: Int) {
        nonisolated(unsafe) let pointer = pointer
        free.withLock { $0.bySize[size, default: []].append(pointer) }
    }

    /// Bytes that nobody uses and that wait to be handed out again.
    package var idleBytes: Int {
        free.withLock { $0.bySize.reduce(0) { $0 + $1.key * $1.value.count } }
    }

    /// Gives back to the system what nobody uses: for the end of work whose buffers the next has no use for.
    package func releaseIdle() {
        free.withLock { $0.release() }
    }

    /// Sizes in steps of an eighth of their power of two, so that few differ.
    private static func sizeClass(_ bytes: Int) -> Int {
        let bytes = max(bytes, 4096)
        let step = 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount - 3)
        return (bytes + step - 1) / step * step
    }

    deinit { releaseIdle() }
}

// @unchecked: the memory belongs to the buffer; who writes where is settled by the loops that share it.
/// A piece of memory that returns to its pool.
package final class Buffer: @unchecked Sendable {
    package let pointer: UnsafeMutableRawPointer
    private let size: Int
    private let pool: BufferPool

    init(pointer: UnsafeMutableRawPointer, size: Int, pool: BufferPool) {
        self.pointer = pointer
        self.size = size
        self.pool = pool
    }

    deinit { pool.give(pointer, size: size) }

    package func bound<Element>(to type: Element.Type) -> UnsafeMutablePointer<Element> {
        pointer.bindMemory(to: type, capacity: size / MemoryLayout<Element>.stride)
    }
}
