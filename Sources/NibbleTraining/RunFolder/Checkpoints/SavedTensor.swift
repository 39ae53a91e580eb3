internal import NibbleCheckpoint

/// An array of a training state, in memory that belongs to someone else.
struct SavedTensor {
    /// How elements are stored; little-endian in the file.
    enum Element: String, Sendable, CaseIterable {
        /// 32-bit floating point: weights, moments.
        case f32 = "F32"
        /// The upper half of 32-bit floating point: weights.
        case bf16 = "BF16"
        /// Signed 32-bit integers: tokens, counters.
        case i32 = "I32"
        /// Signed bytes: positions within cells.
        case i8 = "I8"
        /// Bytes: codes, flags.
        case u8 = "U8"
        /// Unsigned 64-bit integers: states of random generators.
        case u64 = "U64"

        /// Bytes of an element.
        var byteCount: Int { safetensors.bits / 8 }

        var safetensors: SafetensorsType {
            switch self {
            case .f32: .f32
            case .bf16: .bf16
            case .i32: .i32
            case .i8: .i8
            case .u8: .u8
            case .u64: .u64
            }
        }
    }

    /// The name, unique among the tensors saved together.
    var name: String
    /// Extents, slowest first; empty for a single number.
    var shape: [Int]
    /// How elements are stored.
    var element: Element
    /// The elements. Whoever owns the memory keeps it while the tensor is used.
    var bytes: UnsafeRawBufferPointer

    /// Describes the tensor at `bytes`, whose size must be that of `shape`.
    init(name: String, shape: [Int], element: Element, bytes: UnsafeRawBufferPointer) {
        let size = shape.reduce(element.byteCount, *)
        precondition(
            bytes.count == size, "'\(name)' \(shape) takes \(size) bytes, \(bytes.count) were given")
        self.name = name
        self.shape = shape
        self.element = element
        self.bytes = bytes
    }

    var item: SafetensorsHeader.Item { .init(name: name, type: element.safetensors, shape: shape) }
}
