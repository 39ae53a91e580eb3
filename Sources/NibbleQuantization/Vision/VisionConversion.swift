internal import Dispatch
public import NibbleCheckpoint
public import NibbleNumerics

/// Writes the vision tower of a Gemma 3 as llama.cpp's converter writes it with `--mmproj`.
///
/// ```swift
/// let conversion = VisionConversion(try VisionTower(path: "gemma-3-4b-it"), type: .f16)
/// try conversion.write(to: "mmproj.gguf", threads: 4)
/// ```
public struct VisionConversion: Sendable {
    /// The types of matrices that the converter offers.
    public static let types: [GGMLType] = [.f32, .f16, .bf16, .q8_0]

    /// What is written.
    public let tower: VisionTower
    /// The type of matrices.
    public let type: GGMLType

    /// What was written.
    public struct Summary: Sendable {
        /// Tensors.
        public let tensorCount: Int
        /// Bytes of the file.
        public let byteCount: Int
    }

    /// - Precondition: `type` is one of ``types``.
    public init(_ tower: VisionTower, type: GGMLType) {
        precondition(Self.types.contains(type), "no file of \(type)")
        (self.tower, self.type) = (tower, type)
    }

    /// Writes the file.
    ///
    /// - Throws: `CheckpointError` where a value is NaN or infinite, or the file cannot be written.
    @discardableResult
    public func write(
        to path: String, threads: Int, replacing: Bool = false, level: KernelLevel = .best,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(CheckpointError) -> Summary {
        precondition(threads > 0, "threads is \(threads), expected at least 1")
        let fileType: UInt32 =
            switch type {
            case .f32: 0
            case .f16: 1
            case .bf16: 32
            default: 7
            }
        let metadata = try tower.metadata(fileType: fileType)
        let layout = try CheckpointLayout.gguf(
            path: path, metadata: metadata,
            tensors: tower.tensors.map {
                .init(name: $0.name, shape: $0.entry.shape, type: $0.type(in: type))
            },
            splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: replacing)
        let queue = WorkQueue(tower.tensors.count)
        DispatchQueue.concurrentPerform(iterations: min(threads, tower.tensors.count)) { _ in
            while let index = queue.next() {
                do throws(CheckpointError) {
                    if isCancelled() { throw CheckpointError(.cancelled, path: path, "was stopped") }
                    let bytes = try encoded(tower.tensors[index], level)
                    let place = layout.placements[index]
                    try bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
                        try writer.write(bytes, file: place.file, offset: place.offset)
                    }
                } catch {
                    return queue.fail(error)
                }
            }
        }
        if let error = queue.error {
            writer.abort()
            throw error
        }
        try writer.commit(flush: false)
        return Summary(tensorCount: tower.tensors.count, byteCount: layout.totalSize)
    }

    private func encoded(
        _ tensor: VisionTower.Tensor, _ level: KernelLevel
    ) throws(CheckpointError) -> [UInt8] {
        var values = try tensor.entry.floats()
        if tensor.offset != 0 { for index in values.indices { values[index] += tensor.offset } }
        let type = tensor.type(in: type)
        guard let codec = type.codec, let size = type.byteCount(elements: values.count) else {
            preconditionFailure("\(tensor.name) does not fit \(type)")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        var span = bytes.mutableSpan
        var target = span.mutableBytes
        do throws(CodecError) {
            try codec.encode(values.span, columns: values.count, importance: nil, into: &target, level: level)
        } catch {
            let fault = values.withUnsafeBufferPointer {
                WeightFault(
                    error, values: $0, columns: tensor.entry.columns, firstRow: 0, codec: codec,
                    advice: WeightFault.damaged)
            }
            throw fault.error(path: tensor.entry.file.path, tensor: tensor.entry.name)
        }
        return bytes
    }
}
