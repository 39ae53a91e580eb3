import Foundation

// @unchecked: written by its initializer and only read afterwards.
/// Bytes that lie as a file maps them, at any address, right before memory that cannot be read: reading past
/// their end is a crash.
final class GuardedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let start: UnsafeMutableRawPointer
    private let length: Int

    /// - Parameter slack: bytes between the last one and the forbidden page: 1 makes an even address odd.
    init(_ contents: [UInt8], slack: Int = 0) {
        let page = 4096
        length = (contents.count + slack + page - 1) / page * page + page
        let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED, mprotect(mapped + length - page, page, PROT_NONE) == 0 else {
            preconditionFailure("no memory for \(contents.count) bytes")
        }
        start = mapped
        let first = mapped + length - page - slack - contents.count
        contents.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: first, count: contents.count).copyMemory(from: source)
        }
        bytes = UnsafeRawBufferPointer(start: first, count: contents.count)
    }

    deinit { munmap(start, length) }
}
