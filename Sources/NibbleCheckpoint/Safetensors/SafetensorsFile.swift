internal import NibbleNumerics

/// One safetensors file, header checked against the data
/// (format: safetensors README; checks: `tensor.rs`, `SafeTensors::deserialize` and `Metadata::validate`).
///
/// The data must be covered by tensors exactly: a hole, an overlap or trailing bytes are errors. So are
/// duplicate names, which lenient parsers overlook.
public struct SafetensorsFile: Sendable {
    /// The mapped file.
    public let file: MappedFile
    /// Free text beside the tensors: `["format": "pt"]`.
    public let metadata: [String: String]
    /// Tensors in the order of their data. Those whose elements have no GGML type are in ``foreign``.
    public let tensors: [TensorEntry]
    /// Names and element types of tensors that no weight of a supported model has: FP8, unsigned integers.
    public let foreign: [(name: String, type: String)]
    /// All tensors in the order of their data, of whatever type.
    package let entries: [Entry]

    /// A tensor of any element type that safetensors knows.
    package struct Entry: Sendable {
        /// The name.
        package var name: String
        /// How elements are stored.
        package var type: SafetensorsType
        /// Extents, slowest first.
        package var shape: [Int]
        /// Bytes in the file.
        package var range: Range<Int>
    }

    /// Bytes of a header, as the reference implementation limits it.
    static let maximumHeader = 100_000_000

    /// Maps and checks the file at `path`.
    public init(path: String) throws(CheckpointError) {
        let file = try MappedFile(path: path)
        try file.requireContents()
        var cursor = ByteCursor(file)
        let length = try cursor.integer(UInt64.self, for: "header length")
        guard length <= Self.maximumHeader else {
            throw CheckpointError(
                .malformed, path: path, offset: 0, subject: "header length",
                "is \(length), at most \(Self.maximumHeader) is allowed",
                advice: "is this a safetensors file?")
        }
        let header = try cursor.bytes(Int(length), for: "header")
        guard header.first == UInt8(ascii: "{") else {
            throw CheckpointError(
                .malformed, path: path, offset: 8, subject: "header", "does not begin with '{'")
        }
        let json = try JSONParser.parse(UnsafeRawBufferPointer(rebasing: header), path: path, base: 8)
        var metadata: [String: String] = [:]
        var fields: [Field] = []
        for member in json.members ?? [] {
            if member.name == "__metadata__" {
                metadata = try Self.metadata(member.value, path: path)
            } else {
                fields.append(try Field(member, path: path))
            }
        }
        fields.sort { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }
        try Self.checkCoverage(fields, dataStart: cursor.position, file: file)
        self.file = file
        self.metadata = metadata
        entries = fields.map { field in
            Entry(
                name: field.name, type: field.type, shape: field.shape,
                range: cursor.position + field.begin..<cursor.position + field.end)
        }
        var tensors: [TensorEntry] = []
        var foreign: [(name: String, type: String)] = []
        for field in fields {
            guard let type = field.type.ggmlType else {
                foreign.append((field.name, field.type.rawValue))
                continue
            }
            let range = cursor.position + field.begin..<cursor.position + field.end
            tensors.append(
                TensorEntry(name: field.name, shape: field.shape, type: type, file: file, range: range))
        }
        self.tensors = tensors
        self.foreign = foreign
    }

    private static func metadata(_ value: JSONValue, path: String) throws(CheckpointError) -> [String: String]
    {
        // As MLX writes where there is none, and the reference implementation reads.
        if value.isNull { return [:] }
        guard let members = value.members else {
            throw CheckpointError(.malformed, path: path, subject: "'__metadata__'", "is not an object")
        }
        var metadata: [String: String] = [:]
        for member in members {
            guard let text = member.value.text else {
                throw CheckpointError(
                    .malformed, path: path, subject: "'__metadata__'", "'\(member.name)' is not a string")
            }
            metadata[member.name] = text
        }
        return metadata
    }

    /// Checks that tensors in data order touch one another and end with the file.
    private static func checkCoverage(
        _ fields: [Field], dataStart: Int, file: MappedFile
    ) throws(CheckpointError) {
        var expected = 0
        for field in fields {
            guard field.begin == expected else {
                throw CheckpointError(
                    .malformed, path: file.path, offset: dataStart, subject: "tensor '\(field.name)'",
                    "begins at byte \(field.begin) of the data, expected \(expected): "
                        + (field.begin < expected ? "tensors overlap" : "there is a hole"))
            }
            expected = field.end
        }
        let size = file.count - dataStart
        guard expected == size else {
            throw CheckpointError(
                expected > size ? .truncated : .malformed, path: file.path, offset: dataStart,
                "the tensors take \(expected) bytes, the file has \(size) after its header",
                advice: expected > size ? "the download may be incomplete" : nil)
        }
    }

    /// A tensor in the header.
    private struct Field {
        var name: String
        var type: SafetensorsType
        var shape: [Int]
        /// Relative to the data.
        var begin: Int
        var end: Int

        init(_ member: JSONValue.Member, path: String) throws(CheckpointError) {
            func malformed(_ problem: String) -> CheckpointError {
                CheckpointError(.malformed, path: path, subject: "tensor '\(member.name)'", problem)
            }
            guard let typeName = member.value["dtype"]?.text else { throw malformed("has no dtype") }
            guard let type = SafetensorsType(rawValue: typeName) else {
                throw CheckpointError(
                    .unsupported, path: path, subject: "tensor '\(member.name)'",
                    "has the unknown dtype '\(typeName)'")
            }
            guard let extents = member.value["shape"]?.elements else { throw malformed("has no shape") }
            guard let offsets = member.value["data_offsets"]?.elements, offsets.count == 2,
                let begin = offsets[0].integer, let end = offsets[1].integer, begin >= 0, end >= begin
            else { throw malformed("data_offsets must be [begin, end] with 0 <= begin <= end") }
            var shape: [Int] = []
            var bits = type.bits
            for extent in extents {
                guard let extent = extent.integer, extent >= 0 else {
                    throw malformed("has a dimension that is no integer >= 0")
                }
                let (product, overflow) = bits.multipliedReportingOverflow(by: extent)
                guard !overflow else { throw malformed("has too many elements") }
                bits = product
                shape.append(extent)
            }
            guard bits.isMultiple(of: 8), bits / 8 == end - begin else {
                throw malformed(
                    "\(typeName) \(shape.extents) takes \((bits + 7) / 8) bytes, data_offsets give it \(end - begin)"
                )
            }
            self.name = member.name
            self.type = type
            self.shape = shape
            self.begin = begin
            self.end = end
        }
    }
}
