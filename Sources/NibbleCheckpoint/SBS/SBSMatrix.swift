package import NibbleNumerics

/// A tensor of a model in a file of gemma.cpp: rows of one of its tensors, in the order that the hub has them. Values are those
/// of the file times its scale, as BF16 where that holds them, else F32.
package final class SBSMatrix: TensorPacking {
    /// Where elements are.
    enum Order: Sendable, Equatable {
        /// Rows from a first one.
        case rows(first: Int)
        /// Rows of heads: `size` of them from the first, then those of others, `stride` rows further on.
        case heads(first: Int, size: Int, stride: Int)
        /// Parts of rows, one of each head: row `m` is made of the rows `h * rows + m` of all heads.
        case parts(columns: Int)
    }

    private let file: MappedFile
    private let range: Range<Int>
    private let tensor: SBSTensor
    private let order: Order
    private let rows: Int
    private let columns: Int
    package let type: GGMLType

    /// - Parameter range: the blob of the tensor.
    init(
        _ tensor: SBSTensor, file: MappedFile, range: Range<Int>, rows: Int, columns: Int, order: Order
    ) {
        (self.tensor, self.file, self.range) = (tensor, file, range)
        (self.rows, self.columns, self.order) = (rows, columns, order)
        type = tensor.type != .f32 && tensor.scale == 1 ? .bf16 : .f32
    }

    private var elementBytes: Int { tensor.type.elementBytes ?? 1 }
    package var byteCount: Int { rows * columns * elementBytes }
    package var parts: [FileRange] { [(file, range)] }
    package var description: String { "gemma.cpp's \(tensor.type)" }

    package func unpacked(_ elements: Range<Int>) -> UnpackedBytes? {
        let bytes = UnpackedBytes(count: elements.count * (type == .bf16 ? 2 : 4))
        var place = 0
        var element = elements.lowerBound
        while element < elements.upperBound {
            let (row, column) = (element / columns, element % columns)
            var (source, count) = (0, columns - column)
            switch order {
            case .rows(let first): source = (first + row) * columns + column
            case .heads(let first, let size, let stride):
                source = (first + row / size * stride + row % size) * columns + column
            case .parts(let width):
                source = (column / width * rows + row) * width + column % width
                count = width - column % width
            }
            count = min(count, elements.upperBound - element)
            let start = range.lowerBound + source * elementBytes
            let stored = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + count * elementBytes])
            write(stored, count: count, to: bytes, at: place)
            element += count
            place += count * (type == .bf16 ? 2 : 4)
        }
        return bytes
    }

    private func write(_ stored: UnsafeRawBufferPointer, count: Int, to target: UnpackedBytes, at place: Int)
    {
        if tensor.type == .bf16, type == .bf16 {
            UnsafeMutableRawBufferPointer(rebasing: target.buffer[place..<place + 2 * count]).copyMemory(
                from: stored)
            return
        }
        var values = [Float](repeating: 0, count: count)
        var span = values.mutableSpan
        let codec: any Codec =
            switch tensor.type {
            case .bf16: BF16()
            case .sfp: SFP8()
            default: F32()
            }
        codec.decode(RawSpan(_unsafeBytes: stored), columns: count, into: &span, level: .best)
        for (index, value) in values.enumerated() {
            if type == .bf16 {
                // Every value of SFP8 is one of BF16.
                target.buffer.storeBytes(
                    of: Half.bf16(value).littleEndian, toByteOffset: place + 2 * index, as: UInt16.self)
            } else {
                target.buffer.storeBytes(
                    of: value * tensor.scale, toByteOffset: place + 4 * index, as: Float.self)
            }
        }
    }
}
