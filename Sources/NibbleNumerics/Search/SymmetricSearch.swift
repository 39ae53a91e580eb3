/// The scale and codes of a block without minimum, found by weighted least squares: ggml's `make_qx_quants`
/// with squared error.
///
/// The starting scale maps the value of largest magnitude to code `-limit`. For it and for 18 scales around it
/// (`limit` ± 0.1, 0.2, … 0.9 in its place) the codes are `clamp(nearest(x / s), -limit, limit - 1)` and the
/// best scale for them is Σwxl / Σwl²; the set with the largest (Σwxl)² / Σwl², that is with the smallest
/// weighted error, wins, the earlier one where two are equal.
///
/// - Parameters:
///   - x: the values.
///   - weights: weight of the squared error of each; nil for x².
///   - limit: codes are stored as 0 ..< 2 limit, `limit` being zero.
/// - Returns: scale 0 and codes 0 where all |x| < 1e-15. The scale may be negative.
func symmetricSearch(_ x: [Float], weights: [Float]?, limit: Int) -> (scale: Float, codes: [UInt8]) {
    let extreme = LegacyBlocks.extreme(x)
    guard extreme.magnitude >= allZero else { return (0, [UInt8](repeating: 0, count: x.count)) }

    func code(_ inverse: Float, _ value: Float) -> Int {
        max(-limit, min(limit - 1, nearestInteger(inverse * value)))
    }
    func sums(_ inverse: Float) -> (lx: Float, l2: Float) {
        var (sumLX, sumL2): (Float, Float) = (0, 0)
        for (index, value) in x.enumerated() {
            let l = Float(code(inverse, value))
            let weight = weights?[index] ?? value * value
            sumLX += weight * value * l
            sumL2 += weight * l * l
        }
        return (sumLX, sumL2)
    }

    var chosen = Float(-limit) / extreme
    let first = sums(chosen)
    var scale = first.l2 != 0 ? first.lx / first.l2 : 0
    var best = scale * first.lx
    for step in -9...9 where step != 0 {
        let inverse = -(Float(limit) + 0.1 * Float(step)) / extreme
        let (lx, l2) = sums(inverse)
        if l2 > 0 && lx * lx > best * l2 {
            chosen = inverse
            scale = lx / l2
            best = scale * lx
        }
    }
    return (scale, x.map { UInt8(code(chosen, $0) + limit) })
}

/// Blocks whose values are all smaller in magnitude are stored as zeros: ggml's `GROUP_MAX_EPS`.
let allZero: Float = 1e-15
