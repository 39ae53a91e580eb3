package import NibbleNumerics

/// Elements that are not in a file as their type has them: what reads them, unpacked.
package protocol TensorPacking: AnyObject, Sendable {
    /// The type that elements are unpacked as.
    var type: GGMLType { get }
    /// Bytes in the files.
    var byteCount: Int { get }
    /// The form in words: `MLX's affine codes of 4 bits in groups of 64`.
    var description: String { get }
    /// Where the parts stand.
    var parts: [FileRange] { get }

    /// Some elements; nil where the run begins or ends within a block.
    func unpacked(_ elements: Range<Int>) -> UnpackedBytes?
}

/// Bytes of a file.
package typealias FileRange = (file: MappedFile, range: Range<Int>)

// @unchecked: filled by who makes it, then only read.
/// Memory that elements were unpacked to.
package final class UnpackedBytes: @unchecked Sendable {
    /// The memory.
    let buffer: UnsafeMutableRawBufferPointer

    init(count: Int) {
        buffer = .allocate(byteCount: count, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }
}
