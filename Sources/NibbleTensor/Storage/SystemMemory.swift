internal import CLibrary

/// Memory that is the system's again as soon as it is given back.
///
/// What `malloc` gives may stay with the process: between two pieces that are still in use, or because it expects to be
/// asked again. A piece of ``mappedSize`` bytes or more is mapped by itself instead.
package enum SystemMemory {
    /// Bytes from which on a piece is mapped by itself.
    package static let mappedSize = 1 << 20

    /// At least `bytes` bytes, aligned to 64, all zero. Pages of a mapped piece take memory when they are first written.
    package static func zeros(bytes: Int) -> UnsafeMutableRawPointer {
        let pointer = take(bytes: bytes)
        if bytes < mappedSize { pointer.initializeMemory(as: UInt8.self, repeating: 0, count: bytes) }
        return pointer
    }

    /// At least `bytes` bytes, aligned to 64, with arbitrary contents.
    package static func take(bytes: Int) -> UnsafeMutableRawPointer {
        guard bytes >= mappedSize else { return .allocate(byteCount: max(bytes, 1), alignment: 64) }
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let pointer = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0), pointer != MAP_FAILED
        else {
            // As where `allocate` gets none. Not preconditionFailure, whose message release builds leave out.
            fatalError("out of memory: the system gives no \(bytes) bytes more")
        }
        return pointer
    }

    /// Gives back what ``take(bytes:)`` or ``zeros(bytes:)`` gave for as many bytes.
    package static func giveBack(_ pointer: UnsafeMutableRawPointer, bytes: Int) {
        guard bytes >= mappedSize else { return pointer.deallocate() }
        munmap(pointer, bytes)
    }
}
