/// How the rows of a matrix are stored: as a tensor type of GGUF files, or in a format that they lack.
///
/// ```swift
/// let format = WeightFormat.int4(group: 32)
/// print(format, format.byteCount(columns: 640) ?? 0)  // INT4_32 360
/// ```
public enum WeightFormat: Sendable, Hashable {
    /// A type of GGUF files.
    case ggml(GGMLType)
    /// ``Int4`` with one scale for `group` elements, 1 or more, or for a row.
    case int4(group: Int?)
    /// ``SFP8``.
    case sfp8

    /// The arithmetic; nil for types whose values Nibble cannot read.
    public var codec: (any Codec)? {
        switch self {
        case .ggml(let type): type.codec
        case .int4(let group): Int4(group: group)
        case .sfp8: SFP8()
        }
    }

    /// The type in GGUF files; nil where they have none.
    public var ggmlType: GGMLType? { if case .ggml(let type) = self { type } else { nil } }

    /// Whether values are rounded to codes, unlike in F32, F16 and BF16.
    public var isQuantized: Bool {
        switch self {
        case .ggml(let type): type.isQuantized
        case .int4, .sfp8: true
        }
    }

    /// Elements of a row of `columns` that share scales: those of a block, of a group, or all; 1 where values are numbers.
    package func blockSize(columns: Int) -> Int {
        switch self {
        case .ggml(let type): type.blockSize
        case .int4(let group): group ?? columns
        case .sfp8: 1
        }
    }

    /// Bytes of a row of `columns` elements; nil where such a row cannot be stored.
    public func byteCount(columns: Int) -> Int? {
        switch self {
        case .ggml(let type): type.byteCount(elements: columns)
        case .int4, .sfp8: codec?.byteCount(columns: columns)
        }
    }
}

extension WeightFormat: CustomStringConvertible {
    /// The name: `Q4_0`, `INT4`, `INT4_32`, `SFP8`.
    public var description: String {
        switch self {
        case .ggml(let type): type.description
        case .int4(let group): Int4(group: group).name
        case .sfp8: SFP8().name
        }
    }
}
