/// An element type of a GGML tensor, as numbered in GGUF files.
///
/// All types that a current file may hold are listed, so that a reader can lay out and report any file;
/// ``codec`` says which of them Nibble can decode or encode. Numbers and block layouts: ggml.h and
/// ggml-common.h. The ids 4, 5, 31-33 and 36-38 were withdrawn and are rejected by readers.
public enum GGMLType: UInt32, CaseIterable, Sendable, Hashable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q8_1 = 9
    case q2_k = 10
    case q3_k = 11
    case q4_k = 12
    case q5_k = 13
    case q6_k = 14
    case q8_k = 15
    case iq2_xxs = 16
    case iq2_xs = 17
    case iq3_xxs = 18
    case iq1_s = 19
    case iq4_nl = 20
    case iq3_s = 21
    case iq2_s = 22
    case iq4_xs = 23
    case i8 = 24
    case i16 = 25
    case i32 = 26
    case i64 = 27
    case f64 = 28
    case iq1_m = 29
    case bf16 = 30
    case tq1_0 = 34
    case tq2_0 = 35
    case mxfp4 = 39
    case nvfp4 = 40
    case q1_0 = 41
    case q2_0 = 42

    /// Elements of a block, which share one set of quantization parameters; 1 for plain types.
    public var blockSize: Int { layout.elements }

    /// Bytes of a block.
    public var blockBytes: Int { layout.bytes }

    /// Whether elements are stored as codes of a scale rather than as numbers.
    public var isQuantized: Bool {
        switch self {
        case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: false
        default: true
        }
    }

    /// Bytes of `elements` consecutive elements, or nil where they are not a whole number of blocks or the
    /// number of bytes exceeds `Int.max`.
    public func byteCount(elements: Int) -> Int? {
        guard elements >= 0, elements.isMultiple(of: blockSize) else { return nil }
        let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }

    /// Bits that one element takes on average, scales included: 4.5 for Q4_0.
    public var bitsPerWeight: Double { Double(blockBytes * 8) / Double(blockSize) }

    private var layout: (elements: Int, bytes: Int) {
        switch self {
        case .f32, .i32: (1, 4)
        case .f16, .bf16, .i16: (1, 2)
        case .i8: (1, 1)
        case .f64, .i64: (1, 8)
        case .q4_0, .iq4_nl: (32, 18)
        case .q4_1: (32, 20)
        case .q5_0: (32, 22)
        case .q5_1: (32, 24)
        case .q8_0: (32, 34)
        case .q8_1: (32, 36)
        case .mxfp4: (32, 17)
        case .nvfp4: (64, 36)
        case .q2_0: (64, 18)
        case .q1_0: (128, 18)
        case .q2_k: (256, 84)
        case .q3_k: (256, 110)
        case .q4_k: (256, 144)
        case .q5_k: (256, 176)
        case .q6_k: (256, 210)
        case .q8_k: (256, 292)
        case .iq1_s: (256, 50)
        case .iq1_m: (256, 56)
        case .iq2_xxs: (256, 66)
        case .iq2_xs: (256, 74)
        case .iq2_s: (256, 82)
        case .iq3_xxs: (256, 98)
        case .iq3_s: (256, 110)
        case .iq4_xs: (256, 136)
        case .tq1_0: (256, 54)
        case .tq2_0: (256, 66)
        }
    }
}

extension GGMLType: CustomStringConvertible, LosslessStringConvertible {
    /// The name as ggml and GGUF tools print it: `Q4_0`, `BF16`.
    public var description: String { rawName.uppercased() }

    /// The type called `name`, in either case: `q4_0`, `Q4_K`.
    public init?(_ name: String) {
        let name = name.uppercased()
        guard let type = GGMLType.allCases.first(where: { $0.description == name }) else { return nil }
        self = type
    }

    private var rawName: String {
        switch self {
        case .f32: "f32"
        case .f16: "f16"
        case .q4_0: "q4_0"
        case .q4_1: "q4_1"
        case .q5_0: "q5_0"
        case .q5_1: "q5_1"
        case .q8_0: "q8_0"
        case .q8_1: "q8_1"
        case .q2_k: "q2_k"
        case .q3_k: "q3_k"
        case .q4_k: "q4_k"
        case .q5_k: "q5_k"
        case .q6_k: "q6_k"
        case .q8_k: "q8_k"
        case .iq2_xxs: "iq2_xxs"
        case .iq2_xs: "iq2_xs"
        case .iq3_xxs: "iq3_xxs"
        case .iq1_s: "iq1_s"
        case .iq4_nl: "iq4_nl"
        case .iq3_s: "iq3_s"
        case .iq2_s: "iq2_s"
        case .iq4_xs: "iq4_xs"
        case .i8: "i8"
        case .i16: "i16"
        case .i32: "i32"
        case .i64: "i64"
        case .f64: "f64"
        case .iq1_m: "iq1_m"
        case .bf16: "bf16"
        case .tq1_0: "tq1_0"
        case .tq2_0: "tq2_0"
        case .mxfp4: "mxfp4"
        case .nvfp4: "nvfp4"
        case .q1_0: "q1_0"
        case .q2_0: "q2_0"
        }
    }
}
