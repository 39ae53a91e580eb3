internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// Looks for weights that lie on ties of the codec that they are trained for.
///
/// A checkpoint that was dequantized from another format has many: half of the values of a Q5_0 grid are exact ties of
/// Q4_0. The first optimizer step, however small, then moves all of them to one side.
enum TieDetection {
    /// Rows of a matrix that are looked at.
    private static let rows = 8

    /// By what weights are moved to each side, in steps.
    private static let shift: Float = 0x1p-10

    /// Weights that share a scale in all formats, or most of them.
    private static let window = 32

    /// Adds a sample of a matrix of `count` rows.
    static func sample(
        _ weights: BeginningWeights, _ quantizer: FakeQuantizer, rows count: Int, into grid: inout TeacherGrid
    ) throws(CheckpointError) {
        guard scaleSize(quantizer) > 1 else { return }
        for index in 0..<min(rows, count) {
            let row = index * count / min(rows, count)
            let values = try weights.row(row)
            guard values.allSatisfy(\.isFinite) else { continue }
            grid.sampled += values.count
            grid.ties += Self.count(values, quantizer)
        }
    }

    /// Weights that share a scale; 1 where there is none.
    private static func scaleSize(_ quantizer: FakeQuantizer) -> Int {
        if let codec = quantizer.codec as? Int4, codec.group == nil { return quantizer.columns }
        return quantizer.codec.blockSize
    }

    /// Weights whose code changes between a thousandth of a step below and above them.
    private static func count(_ values: [Float], _ quantizer: FakeQuantizer) -> Int {
        let size = scaleSize(quantizer)
        var steps = [Float](repeating: 0, count: values.count)
        for first in stride(from: 0, to: values.count, by: size) {
            let block = first..<min(first + size, values.count)
            // Of a symmetric format of 4 bits; finer ones have smaller steps, in which this is still a small part.
            let step = values[block].reduce(0) { max($0, abs($1)) } / 8
            for index in block { steps[index] = step }
        }
        let shift = Self.shift
        guard let low = rounded(values.indices.map { values[$0] - shift * steps[$0] }, quantizer),
            let high = rounded(values.indices.map { values[$0] + shift * steps[$0] }, quantizer)
        else { return 0 }
        return stride(from: 0, to: values.count, by: window).reduce(0) { sum, first in
            sum + count(first..<min(first + window, values.count), low, high, steps)
        }
    }

    /// Ties of a few weights with one scale. Formats that search for their scale may find another one for weights a
    /// little higher; then all values move, and those that move by a step or more are no ties.
    private static func count(_ range: Range<Int>, _ low: [Float], _ high: [Float], _ steps: [Float]) -> Int {
        var ties = 0
        for index in range {
            let change = high[index] - low[index]
            if change > 0.5 * steps[index] {
                ties += 1
            } else if abs(change) > 16 * shift * steps[index] {
                return 0
            }
        }
        return ties
    }

    private static func rounded(_ values: [Float], _ quantizer: FakeQuantizer) -> [Float]? {
        var blocks = [UInt8](repeating: 0, count: quantizer.rowBytes)
        var blockSpan = blocks.mutableSpan
        var raw = blockSpan.mutableBytes
        guard (try? quantizer.encode(values.span, into: &raw)) != nil else { return nil }
        var result = [Float](repeating: 0, count: values.count)
        var span = result.mutableSpan
        quantizer.codec.decode(blocks.span.bytes, columns: values.count, into: &span, level: .best)
        return result
    }
}
