internal import Synchronization

/// Memory that is handed out again and again: fresh pages cost more than the arithmetic on them.
package final class BufferPool: Sendable {
    // The pointers in it are owned by nobody else.
    private struct Free: @unchecked Sendable {
        var bySize: [Int: [UnsafeMutableRawPointer]] = [:]
    }

    private let free = Mutex(Free())

    package init() {}

    /// A buffer of at least `bytes` bytes, aligned to 64; its contents are arbitrary.
    package func take(bytes: Int) -> Buffer {
        let size = Self.sizeClass(bytes)
        if let pointer = free.withLock({ $0.bySize[size]?.popLast() }) {
            return Buffer(pointer: pointer, size: size, pool: self)
        }
        return Buffer(pointer: .allocate(byteCount: size, alignment: 64), size: size, pool: self)
    }

    func give(_ pointer: UnsafeMutableRawPointer, size: Int) {
        nonisolated(unsafe) let pointer = pointer
        free.withLock { $0.bySize[size, default: []].append(pointer) }
    }

    /// Sizes in steps of an eighth of their power of two, so that few differ.
    private static func sizeClass(_ bytes: Int) -> Int {
        let bytes = max(bytes, 4096)
        let step = 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount - 3)
        return (bytes + step - 1) / step * step
    }

    deinit {
        free.withLock { free in
            for pointer in free.bySize.values.joined() { pointer.deallocate() }
        }
    }
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
