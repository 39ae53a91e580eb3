internal import NibbleNumerics

extension CheckpointInspection {
    /// How many blocks of 32 weights lie on a grid that Q4_0 can store, of a sample of the matrices that are
    /// not quantized.
    ///
    /// A checkpoint that was dequantized from Q4_0, or trained with its fake quantization, lies on the grid;
    /// weights as training leaves them do not.
    public struct Grid: Sendable {
        /// Blocks in the sample; blocks of zeros do not count.
        public var blocksTested = 0
        /// Blocks on a grid.
        public var blocksOnGrid = 0

        /// What the counts say.
        public enum Verdict: String, Sendable {
            /// Practically all blocks lie on a grid.
            case onGrid = "on_grid"
            /// Some do: the checkpoint is mixed.
            case partly
            /// Practically none does.
            case free
        }

        /// What the counts say.
        public var verdict: Verdict {
            let share = Double(blocksOnGrid) / Double(max(blocksTested, 1))
            return share > 0.99 ? .onGrid : share < 0.01 ? .free : .partly
        }

        /// Values of a matrix that are tested, spread over it in runs.
        private static let runs = 16
        private static let runLength = 4096

        init(_ tensors: [TensorEntry]) {
            for tensor in tensors where tensor.shape.count == 2 && !tensor.type.isQuantized {
                guard let codec = tensor.type.codec, tensor.columns.isMultiple(of: 32) else { continue }
                let count = tensor.elementCount
                let step = max(count / Self.runs / 32 * 32, Self.runLength)
                for start in stride(from: 0, to: count, by: step) {
                    let run = start..<min(start + Self.runLength, count)
                    guard let bytes = tensor.bytes(of: run) else { continue }
                    var values = [Float](repeating: 0, count: run.count)
                    var span = values.mutableSpan
                    codec.decode(
                        RawSpan(_unsafeBytes: bytes), columns: run.count, into: &span, level: .best)
                    let found = GridDetection.count(values.span, storedAs: tensor.type)
                    blocksTested += found.tested
                    blocksOnGrid += found.onGrid
                }
            }
        }
    }
}
