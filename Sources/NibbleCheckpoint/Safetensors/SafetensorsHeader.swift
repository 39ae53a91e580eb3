internal import NibbleNumerics

/// The header of a safetensors file to be written, and where each tensor goes.
public struct SafetensorsHeader: Sendable {
    /// Length and header, padded with spaces so that the data begins at a multiple of 8.
    public let bytes: [UInt8]
    /// Where each tensor begins in the file, in the order given.
    public let offsets: [Int]
    /// Size of the whole file.
    public let fileSize: Int

    /// Lays out a file with these tensors in order, with `metadata` beside them.
    ///
    /// - Throws: ``CheckpointError`` for a block format, which safetensors cannot hold.
    public init(
        tensors: [CheckpointLayout.Tensor], metadata: [(String, String)] = [("format", "pt")], path: String
    ) throws(CheckpointError) {
        var items: [Item] = []
        for tensor in tensors {
            guard let type = SafetensorsType(tensor.type) else {
                throw CheckpointError(
                    .invalidRequest, path: path, subject: "tensor '\(tensor.name)'",
                    "safetensors cannot hold \(tensor.type)", advice: "use bf16, f16 or f32")
            }
            let isWord = type == .i32 && tensor.isUnsigned
            items.append(Item(name: tensor.name, type: isWord ? .u32 : type, shape: tensor.shape))
        }
        self.init(items, metadata: metadata)
    }

    /// A tensor of any element type that safetensors knows.
    package struct Item {
        /// The name, unique in the file.
        var name: String
        /// How elements are stored.
        var type: SafetensorsType
        /// Extents, slowest first.
        var shape: [Int]

        /// Creates a tensor.
        package init(name: String, type: SafetensorsType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }

        var byteCount: Int { shape.reduce(1, *) * type.bits / 8 }
    }

    /// Lays out a file with these tensors in order, with `metadata` beside them.
    package init(_ items: [Item], metadata: [(String, String)]) {
        var members: [JSONValue.Member] = []
        if !metadata.isEmpty {
            members.append(.init("__metadata__", .object(metadata.map { .init($0.0, .string($0.1)) })))
        }
        var starts: [Int] = []
        var position = 0
        for item in items {
            let end = position + item.byteCount
            members.append(
                .init(
                    item.name,
                    .members([
                        "dtype": .string(item.type.rawValue),
                        "shape": .array(item.shape.map { .integer($0) }),
                        "data_offsets": .array([.integer(position), .integer(end)]),
                    ])))
            starts.append(position)
            position = end
        }
        var header = Array(JSONValue.object(members).serialized(pretty: false).utf8)
        header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(header.count))
        bytes += header
        offsets = starts.map { [count = bytes.count] in $0 + count }
        fileSize = bytes.count + position
        self.bytes = bytes
    }
}
