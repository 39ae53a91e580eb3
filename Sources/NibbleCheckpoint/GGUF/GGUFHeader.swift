internal import NibbleNumerics

/// The header of a GGUF file to be written (version 3): metadata and where each tensor goes.
public struct GGUFHeader: Sendable {
    /// Header bytes, padded to the alignment: the data follows.
    public let bytes: [UInt8]
    /// Where each tensor begins in the file, in the order given.
    public let offsets: [Int]
    /// Size of the whole file, the last tensor padded too, as llama.cpp requires.
    public let fileSize: Int

    /// Lays out a file with these pairs and tensors, in order; names have at most 63 bytes, shapes at most four
    /// extents.
    ///
    /// - Throws: ``CheckpointError`` where a name is too long, or a row is no whole number of blocks.
    public init(
        metadata: GGUFMetadata, tensors: [CheckpointLayout.Tensor], path: String
    ) throws(CheckpointError) {
        let alignment = try metadata.value(GGUFKey.alignment)?.integer ?? GGUFFile.defaultAlignment
        var bytes: [UInt8] = []
        bytes.append(littleEndian: GGUFFile.magic)
        bytes.append(littleEndian: UInt32(3))
        bytes.append(littleEndian: Int64(tensors.count))
        bytes.append(littleEndian: Int64(metadata.entries.count))
        for entry in metadata.entries { bytes.append(entry) }
        var starts: [Int] = []
        var position = 0
        for tensor in tensors {
            let byteCount = try Self.byteCount(of: tensor, path: path)
            bytes.append(ggufString: tensor.name)
            bytes.append(littleEndian: UInt32(tensor.shape.count))
            for extent in tensor.shape.reversed() { bytes.append(littleEndian: Int64(extent)) }
            bytes.append(littleEndian: tensor.type.rawValue)
            bytes.append(littleEndian: UInt64(position))
            starts.append(position)
            position = (position + byteCount).roundedUp(toMultipleOf: alignment).0
        }
        bytes.append(
            contentsOf: repeatElement(
                0, count: bytes.count.roundedUp(toMultipleOf: alignment).0 - bytes.count))
        offsets = starts.map { [count = bytes.count] in $0 + count }
        fileSize = bytes.count + position
        self.bytes = bytes
    }

    private static func byteCount(of tensor: CheckpointLayout.Tensor, path: String) throws(CheckpointError)
        -> Int
    {
        let subject = "tensor '\(tensor.name)'"
        guard tensor.name.utf8.count <= GGUFLimits.nameBytes else {
            throw CheckpointError(
                .unsupported, path: path, subject: subject,
                "has a name of \(tensor.name.utf8.count) bytes, GGUF allows \(GGUFLimits.nameBytes)")
        }
        guard tensor.shape.count <= GGUFLimits.dimensions else {
            throw CheckpointError(
                .unsupported, path: path, subject: subject,
                "has \(tensor.shape.count) dimensions, GGUF allows \(GGUFLimits.dimensions)")
        }
        guard (tensor.shape.last ?? 1).isMultiple(of: tensor.type.blockSize),
            let byteCount = tensor.type.byteCount(elements: tensor.shape.reduce(1, *))
        else {
            throw CheckpointError(
                .invalidRequest, path: path, subject: subject,
                "has rows of \(tensor.shape.last ?? 1) elements, \(tensor.type) stores blocks of "
                    + "\(tensor.type.blockSize)")
        }
        return byteCount
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    mutating func append(ggufString string: String) {
        append(littleEndian: UInt64(string.utf8.count))
        append(contentsOf: string.utf8)
    }

    mutating func append(_ entry: GGUFMetadata.Entry) {
        append(ggufString: entry.key)
        switch entry.storage {
        case .value(let value):
            append(littleEndian: value.type.rawValue)
            append(value)
        case .stored(let type, let file, let range):
            append(littleEndian: type.rawValue)
            append(contentsOf: file.bytes[range])
        }
    }

    private mutating func append(_ value: GGUFValue) {
        switch value {
        case .uint8(let value): append(value)
        case .int8(let value): append(littleEndian: value)
        case .uint16(let value): append(littleEndian: value)
        case .int16(let value): append(littleEndian: value)
        case .uint32(let value): append(littleEndian: value)
        case .int32(let value): append(littleEndian: value)
        case .uint64(let value): append(littleEndian: value)
        case .int64(let value): append(littleEndian: value)
        case .float32(let value): append(littleEndian: value.bitPattern)
        case .float64(let value): append(littleEndian: value.bitPattern)
        case .bool(let value): append(value ? 1 : 0)
        case .string(let value): append(ggufString: value)
        case .array(let type, let elements):
            append(littleEndian: type.rawValue)
            append(littleEndian: UInt64(elements.count))
            for element in elements { append(element) }
        }
    }
}
