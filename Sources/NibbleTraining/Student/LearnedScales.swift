internal import NibbleNumerics
internal import NibbleTensor

// @unchecked: as TrainedMatrix.
/// The scales of a matrix's blocks where they are learned: F32 masters, of which the blocks hold the halves.
///
/// After each step a scale
///
/// - keeps its sign, and a magnitude of at least `ScaledBlocks.smallestScale`: a step that would carry it to zero or
///   beyond ends there. Beyond zero all codes would turn around at once, and at zero no gradient reaches it.
/// - is anchored (`ScaledBlocks.anchor`): one weight of its block has the extreme code, so that the trained values,
///   quantized again, give the same block. A scale may clip its block, but not be larger than its block needs.
///
/// A block of zeros has scale 0, as the codec gives it; as soon as one of its weights is trained away from zero, it
/// takes the codec's scale.
final class LearnedScales: @unchecked Sendable {
    let blocks: ScaledBlocks
    /// Scales of a row.
    let perRow: Int
    /// `[rows, perRow]`
    let masters: Memory
    /// Moments of AdamW, `[rows, perRow]` each.
    let firstMoments: Memory
    let secondMoments: Memory

    init(_ blocks: ScaledBlocks, rows: Int, perRow: Int) {
        self.blocks = blocks
        self.perRow = perRow
        masters = Memory(byteCount: rows * perRow * 4)
        firstMoments = Memory(byteCount: rows * perRow * 4)
        secondMoments = Memory(byteCount: rows * perRow * 4)
    }

    /// The scales of some rows.
    func values(_ rows: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(
            start: masters.floats + rows.lowerBound * perRow, count: rows.count * perRow)
    }

    /// Takes the scales that the codec chooses for `weights`, those of `rows`.
    func choose(_ rows: Range<Int>, for weights: Span<Float>) {
        var scales = values(rows).mutableSpan
        blocks.chooseScales(weights, into: &scales)
    }

    /// Sees to it that one of the weights of each block has the extreme code.
    func anchor(_ rows: Range<Int>, for weights: Span<Float>, level: KernelLevel) {
        let start = rows.lowerBound * perRow
        var scales = values(rows).mutableSpan
        var momentum = UnsafeMutableBufferPointer(
            start: firstMoments.floats + start, count: rows.count * perRow
        ).mutableSpan
        blocks.anchor(weights, scales: &scales, momentum: &momentum, level: level)
    }

    /// A step of AdamW for the scales of `rows`.
    ///
    /// - Parameters:
    ///   - gradient: one for each scale.
    ///   - weights: those of `rows`, after their own step.
    func update(
        _ rows: Range<Int>, gradient: [Float], step: AdamWStep, weights: Span<Float>, compute: Compute
    ) {
        let scales = values(rows)
        let before = Array(scales)
        let start = rows.lowerBound * perRow
        gradient.withUnsafeBufferPointer { gradient in
            guard let gradient = gradient.baseAddress else { return }
            step.apply(
                to: masters.floats + start, gradient: gradient, m: firstMoments.floats + start,
                v: secondMoments.floats + start, count: scales.count, compute: compute)
        }
        var span = scales.mutableSpan
        for index in before.indices {
            guard before[index] != 0 else {
                let first = index * ScaledBlocks.blockSize
                span[index] = blocks.chooseScale(
                    weights.extracting(first..<first + ScaledBlocks.blockSize))
                continue
            }
            span[index] = Self.bounded(span[index], before: before[index])
        }
        anchor(rows, for: weights, level: compute.level)
    }

    /// A scale after a step, kept on its side of zero; NaN stays NaN, which encoding reports.
    private static func bounded(_ scale: Float, before: Float) -> Float {
        let magnitude = before < 0 ? -scale : scale
        guard magnitude < ScaledBlocks.smallestScale else { return scale }
        return before < 0 ? -ScaledBlocks.smallestScale : ScaledBlocks.smallestScale
    }
}
