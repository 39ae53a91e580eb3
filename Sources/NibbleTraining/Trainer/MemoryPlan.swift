internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleTensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The memory that a run takes, in bytes, known before its first step.
///
/// What one phase of a run has no use for is given back before the next, so that steps do not add to what comes before
/// them. Evaluations, which keep nothing for a way back, take less than steps do.
public struct MemoryPlan: Sendable, Equatable {
    /// The teacher's weights, mapped from their file: they can be read again where memory runs short.
    public var teacher: Int
    /// Masters, moments, learned scales and encoded blocks of what is trained.
    public var student: Int
    /// Weights that are quantized once and not trained.
    public var frozen: Int
    /// Gradients of parameters.
    public var gradients: Int
    /// Activations that wait for their gradient.
    public var activations: Int
    /// Logits that are held, and what attention and products need at a time.
    public var scratch: Int

    /// What rounding with error feedback takes before the first step, when weights have no gradients yet: activations and
    /// logits while tokens are weighed, then residual streams, products of inputs and their factors; products of outputs
    /// in both.
    public var start: Int

    /// All that is held at a time, but the teacher.
    public var resident: Int { student + frozen + max(steps, start) }

    /// What the steps take besides the weights.
    var steps: Int { gradients + activations + scratch }

    /// Memory of this machine in bytes.
    public static var physicalMemory: Int {
        sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// - Parameters:
    ///   - tokens: of a pass through the models.
    ///   - length: of a sequence.
    ///   - recomputes: whether blocks are computed again on the way back.
    ///   - isCached: whether the teacher's probabilities are.
    ///   - matchesHidden: whether the teacher's stream after each block is kept.
    ///   - feedbackSequences: that weights are rounded on with error feedback before the first step; 0: they are not.
    ///   - weighsTokens: whether each matrix has its own products then.
    ///   - compensates: whether the student's inputs are compared with the teacher's then.
    public init(
        _ student: Student, tokens: Int, length: Int, recomputes: Bool, isCached: Bool = false,
        matchesHidden: Bool = false,
        feedbackSequences: Int = 0, weighsTokens: Bool = false, compensates: Bool = false
    ) {
        let shape = student.checkpoint.configuration
        teacher = student.checkpoint.tensors.reduce(0) { $0 + $1.entry.range.count }
        let matrices = student.matrices.reduce(0) { $0 + $1.byteCount }
        let vectors = student.vectors.reduce(0) { $0 + 12 * $1.count }
        self.student = matrices + vectors
        frozen = student.frozenByteCount
        // Those of weights are taken where only their scales are trained, too.
        gradients = student.parameters.reduce(0) { $0 + 4 * $1.count }
        let queries = shape.headCount * shape.headDimension
        let keys = shape.keyValueHeadCount * shape.headDimension
        // What the operations of a block keep: norms and sums, queries and keys before and after their rotation, the
        // two halves of the gate and their product; then the packed operands of products.
        let width = shape.embeddingLength
        let features = 7 * width + 3 * queries + 4 * keys + 3 * shape.feedForwardLength
        let packed = (2 * width + queries + shape.feedForwardLength) / 2
        let block = 4 * tokens * (features + packed)
        activations =
            (recomputes ? 4 * tokens * width * shape.layerCount + block : block * shape.layerCount)
            + (matchesHidden ? 4 * tokens * width * shape.layerCount : 0)
        let scores = 8 * shape.headCount * length * min(length, tokens) * max(tokens / length, 1) / 2
        let logits = student.compute.distillationScratch(
            tokens: tokens, vocabularySize: shape.vocabularySize, features: width, isCached: isCached)
        scratch = scores + logits + 16 * tokens * max(width, shape.feedForwardLength)
        guard feedbackSequences > 0 else {
            start = 0
            return
        }
        // Of the matrices with one input after the other: products, what inputs lack, and factors.
        let hidden = shape.feedForwardLength
        let squares = max((weighsTokens ? 3 : 1) * width * width, queries * queries, hidden * hidden)
        let streams = (compensates ? 2 : 1) * feedbackSequences * width
        let outputs = student.matrices.reduce(0) {
            $0 + (weighsTokens && TokenImportance.couples($1) ? $1.rows * $1.rows : 0)
        }
        // Errors of all rows of a matrix, and those of the pieces in which threads round it, with their gradients.
        let errors = student.matrices.reduce(0) {
            max($0, $1.columns * ($1.rows + 3 * Compute.rowsAtATime * student.compute.workers.count))
        }
        // One sequence passes through a block at a time.
        let rounding =
            (compensates ? 12 : 8) * squares + 4 * (outputs + errors)
            + 4 * length * (streams + features + packed)
        // Gradients flow back to the outputs of matrices, but not to their weights.
        start = max(rounding, weighsTokens ? 4 * outputs + activations + scratch : 0)
    }
}
