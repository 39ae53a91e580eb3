internal import NibbleNumerics
internal import NibbleTensor

// @unchecked: as TrainedMatrix.
/// The scales of a matrix's blocks where they are learned: F32 masters, of which the blocks hold the nearest portable
/// scales (`ScaledBlocks.portable`).
///
/// A scale keeps its sign, and a magnitude of at least `ScaledBlocks.smallestScale`: a step that would carry it to zero
/// or beyond ends there. Beyond zero all codes would turn around at once, and at zero no gradient reaches it. A block of
/// zeros has scale 0, as the codec gives it, and keeps it.
final class LearnedScales: @unchecked Sendable {
    let codec: ScaledBlocks
    /// Scales of a row.
    let perRow: Int
    /// `[rows, perRow]`
    let masters: Memory
    /// Moments of AdamW, `[rows, perRow]` each.
    let firstMoments: Memory
    let secondMoments: Memory

    init(_ codec: ScaledBlocks, rows: Int, perRow: Int) {
        self.codec = codec
        self.perRow = perRow
        masters = Memory(byteCount: rows * perRow * 4)
        firstMoments = Memory(byteCount: rows * perRow * 4)
        secondMoments = Memory(byteCount: rows * perRow * 4)
    }

    /// What the blocks of some rows hold.
    func stored(_ rows: Range<Int>) -> [Float] { values(rows).map(ScaledBlocks.portable) }

    /// The masters of some rows.
    func values(_ rows: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        masters.floats(rows, of: perRow)
    }

    /// Takes the scales that the codec chooses for `weights`, those of `rows`.
    func choose(_ rows: Range<Int>, for weights: Span<Float>) {
        var scales = values(rows).mutableSpan
        codec.chooseScales(weights, into: &scales)
    }
}
