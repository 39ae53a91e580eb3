internal import CKernels
internal import COpenBLAS
public import NibbleNumerics

/// Where and how tensors are computed: threads, memory, instruction level and precision.
///
/// ```swift
/// let compute = Compute(threads: 2, precision: .automatic)
/// ```
public final class Compute: Sendable {
    /// The threads.
    public let workers: Workers
    /// The precision asked for.
    public let precision: Precision
    /// The instruction level of everything but the dot products.
    public let level: KernelLevel
    /// ``level`` as the kernels take it.
    package let levelNumber: Int32
    /// Memory for tensors, reused.
    package let pool = BufferPool()
    /// Whether products are of BF16 numbers where nothing faster is there.
    package let hasBF16: Bool
    /// Whether products of BF16 numbers are computed in tiles.
    package let hasTiles: Bool
    /// Whether products with weights in blocks of 32 are of int8 activations.
    package let hasInt8: Bool

    /// Creates a context.
    ///
    /// - Precondition: `precision` is supported (``Precision/isSupported``).
    public convenience init(
        threads: Int, precision: Precision = .automatic, level: KernelLevel = .best
    ) {
        self.init(threads: threads, precision: precision, level: level, usesTiles: true)
    }

    /// The same, where it is to be without tiles.
    package init(threads: Int, precision: Precision, level: KernelLevel = .best, usesTiles: Bool) {
        precondition(precision.isSupported, "\(precision) needs AVX-512 BF16, which this machine lacks")
        workers = Workers(count: threads)
        self.precision = precision
        self.level = level
        levelNumber = level.number
        hasBF16 =
            precision == .bf16
            || precision == .automatic && level == .avx512 && Precision.fasterFloat == .bf16
        hasTiles = usesTiles && hasBF16 && nibble_has_bf16_tiles() != 0
        hasInt8 = precision == .automatic && level == .avx512 && nibble_has_int8_dot() != 0
        // Our threads call it side by side; threads of its own would get in their way.
        openblas_set_num_threads(1)
    }

    /// The product for weights stored as `type` with rows of `columns`.
    package func kernel(for type: GGMLType?, columns: Int) -> ProductKernel {
        if hasInt8, type.map(ByteCodes.supports) ?? false, columns.isMultiple(of: 32) { return .int8 }
        return hasBF16 ? .bf16 : .f32
    }

    /// How `sequences` of `length` tokens lie in panels.
    public func layout(sequences: Int, length: Int) -> PanelLayout {
        // Products take 16 or 32 tokens at a time.
        PanelLayout(width: length > 16 ? 32 : 16, sequences: sequences, length: length)
    }

    /// How the next tokens of `count` sequences lie: side by side in one sequence.
    public func stepLayout(count: Int) -> PanelLayout {
        let layout = layout(sequences: 1, length: count)
        // Up to here a product for each token costs less than one for a panel of 16.
        return PanelLayout(
            width: layout.width, sequences: 1, length: count, isStep: count <= 4)
    }

    /// What the bits of results, and how tensors lie in scratch files, depend on: products, instruction level, panels and the
    /// kernels that OpenBLAS chose. The number of threads is not among it.
    package var arithmetic: String {
        "\(kernels), panels of 32, OpenBLAS \(String(cString: openblas_get_corename()))"
    }

    /// What computes, in words: `bf16 and int8 products, avx512 kernels, 2 threads`.
    public var summary: String {
        "\(kernels), " + (workers.count == 1 ? "1 thread" : "\(workers.count) threads")
    }

    private var kernels: String {
        let products = hasBF16 ? hasTiles ? "bf16 (AMX)" : "bf16" : "f32"
        return "\(products)\(hasInt8 ? " and int8" : "") products, \(level) kernels"
    }
}
