/// How ``affineSearch(_:weights:limit:grid:)`` walks through candidate scales.
struct AffineGrid {
    /// The first candidate, in codes added to the limit.
    var start: Float
    /// The distance of candidates.
    var step: Float
    /// Candidates after the first.
    var steps: Int

    /// Candidates where importance is given.
    static let weighted = AffineGrid(start: -0.9, step: 0.05, steps: 36)
}

/// The scale, minimum and codes of a block, found by weighted least squares: ggml's `make_qkx2_quants` and
/// `make_qkx3_quants`, which differ in their callers only.
///
/// It starts with min = min(x, 0), scale = (max - min) / limit and codes nearest((x - min) / scale). For each
/// candidate the inverse scale is (start + step i + limit) / (max - min) and codes are taken likewise; the
/// scale and minimum that fit them best are kept where that makes the weighted error smaller. A fitted minimum
/// above 0 becomes 0 and the scale is then fitted alone. Later candidates count from the minimum kept so far,
/// as in ggml.
///
/// - Parameters:
///   - x: the values.
///   - weights: weight of the error of each.
///   - limit: the largest code.
///   - grid: the candidates.
///   - countsMagnitudes: whether errors count by their magnitude instead of their square.
/// - Returns: the scale, the minimum with its sign reversed (>= 0) and codes 0 ... limit. Scale 0 and codes 0
///   where all values are equal and not positive.
func affineSearch(
    _ x: [Float], weights: [Float], limit: Int, grid: AffineGrid, countsMagnitudes: Bool = false
) -> (scale: Float, minimum: Float, codes: [UInt8]) {
    var (minimum, maximum) = (x[0], x[0])
    var sumW = weights[0]
    var sumX = sumW * x[0]
    for index in x.indices.dropFirst() {
        if x[index] < minimum { minimum = x[index] }
        if x[index] > maximum { maximum = x[index] }
        sumW += weights[index]
        sumX += weights[index] * x[index]
    }
    if minimum > 0 { minimum = 0 }
    guard maximum != minimum else { return (0, -minimum, [UInt8](repeating: 0, count: x.count)) }

    func codes(_ inverse: Float, _ minimum: Float) -> [UInt8] {
        x.map { UInt8(max(0, min(limit, nearestInteger(inverse * ($0 - minimum))))) }
    }
    func error(_ scale: Float, _ minimum: Float, _ codes: [UInt8]) -> Float {
        var sum: Float = 0
        for (index, value) in x.enumerated() {
            let difference = scale * Float(codes[index]) + minimum - value
            sum += weights[index] * (countsMagnitudes ? difference.magnitude : difference * difference)
        }
        return sum
    }

    let inverse = Float(limit) / (maximum - minimum)
    var scale = 1 / inverse
    var best = codes(inverse, minimum)
    var smallestError = error(scale, minimum, best)
    for index in 0...grid.steps {
        let inverse = (grid.start + grid.step * Float(index) + Float(limit)) / (maximum - minimum)
        let candidate = codes(inverse, minimum)
        var (sumL, sumL2, sumXL): (Float, Float, Float) = (0, 0, 0)
        for (index, value) in x.enumerated() {
            let l = Float(candidate[index])
            sumL += weights[index] * l
            sumL2 += weights[index] * l * l
            sumXL += weights[index] * l * value
        }
        let determinant = sumW * sumL2 - sumL * sumL
        guard determinant > 0 else { continue }
        var fittedScale = (sumW * sumXL - sumX * sumL) / determinant
        var fittedMinimum = (sumL2 * sumX - sumL * sumXL) / determinant
        if fittedMinimum > 0 {
            fittedMinimum = 0
            fittedScale = sumXL / sumL2
        }
        let candidateError = error(fittedScale, fittedMinimum, candidate)
        if candidateError < smallestError {
            (best, smallestError) = (candidate, candidateError)
            (scale, minimum) = (fittedScale, fittedMinimum)
        }
    }
    return (scale, -minimum, best)
}
