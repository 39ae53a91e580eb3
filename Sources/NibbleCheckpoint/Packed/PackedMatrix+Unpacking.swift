internal import NibbleNumerics

extension PackedMatrix {
    /// Some elements in the blocks of ``type``; nil where the run begins or ends within a block.
    package func unpacked(_ elements: Range<Int>) -> UnpackedBytes? {
        guard let size = type.byteCount(elements: elements.count),
            type.byteCount(elements: elements.lowerBound) != nil
        else { return nil }
        let bytes = UnpackedBytes(count: size)
        let blocks = CodeBlocks(type)
        // The unit in which elements are unpacked: a block, or as much of a group as is asked for.
        let unit = blocks == nil ? min(group, 4096) : CodeBlocks.size
        let codes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: unit)
        defer { codes.deallocate() }
        var (element, place) = (elements.lowerBound, 0)
        var row = -1
        var own: (scales: [Float], minima: [Float]) = ([], [])
        while element < elements.upperBound {
            let column = element % columns
            if element / columns != row {
                row = element / columns
                let perRow = columns / group
                own = parameters(of: row * perRow..<(row + 1) * perRow)
            }
            let left = min(group - column % group, elements.upperBound - element)
            let part = UnsafeMutableBufferPointer(rebasing: codes[..<min(unit, left)])
            self.codes.read(row: row, from: column, into: part)
            let (scale, minimum) = (own.scales[column / group], own.minima[column / group])
            if let blocks {
                let size = blocks.type.blockBytes
                shift(part, to: blocks)
                blocks.write(
                    UnsafeBufferPointer(part), scale: Half.f16(scale), minimum: Half.f16(minimum),
                    to: .init(rebasing: bytes.buffer[place..<place + size]))
                place += size
            } else {
                for code in part {
                    let value = value(code, scale: scale, minimum: minimum, row: row, column: column)
                    bytes.buffer.storeBytes(of: value, toByteOffset: place, as: Float.self)
                    place += 4
                }
            }
            element += part.count
        }
        return bytes
    }

    /// The codes that mean the same in blocks whose codes have more bits.
    private func shift(_ part: UnsafeMutableBufferPointer<UInt8>, to blocks: CodeBlocks) {
        guard let zero = blocks.zero else { return }
        let addend = UInt8(zero - 1 << (codes.bits - 1))
        if addend != 0 { for index in part.indices { part[index] += addend } }
    }

    /// A value in F32: the product is rounded, and the sum where a minimum is added.
    private func value(_ code: UInt8, scale: Float, minimum: Float, row: Int, column: Int) -> Float {
        switch offset {
        case .zero(let zero): scale * Float(Int(code) - zero)
        case .zeros(let zeros, _):
            scale * Float(Int(code) - Int(zeros[row * (columns / group) + column / group]))
        case .minima: scale * Float(code) + minimum
        }
    }
}
