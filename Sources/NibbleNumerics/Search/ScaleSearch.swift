/// Codes for the scales (or minima) of a super-block, found by weighted least squares: ggml's
/// `make_qp_quants`.
///
/// Of the scale max / limit and eight around it (`limit` ± 0.1 … 0.4 in its place) the one with the smallest
/// weighted squared error is taken; then single codes move, in at most five rounds, while that raises
/// (Σwxl)² / Σwl².
///
/// - Parameters:
///   - x: values that are meant to be positive. Negative ones get codes below 0, of which the low 8 bits are
///     kept, as in ggml.
///   - weights: weight of the squared error of each.
///   - limit: the largest code.
/// - Returns: scale 0 and codes 0 where all values are below 1e-15.
func scaleSearch(_ x: [Float], weights: [Float], limit: Int) -> (scale: Float, codes: [UInt8]) {
    var largest: Float = 0
    for value in x where value > largest { largest = value }
    guard largest >= allZero else { return (0, [UInt8](repeating: 0, count: x.count)) }

    var inverse = Float(limit) / largest
    var codes = x.map { UInt8(truncatingIfNeeded: nearestInteger(inverse * $0)) }
    var smallestError = weightedError(x, weights, codes.map(Int.init), 1 / inverse)
    for step in -4...4 where step != 0 {
        let candidate = (0.1 * Float(step) + Float(limit)) / largest
        let candidateCodes = x.map { min(limit, nearestInteger(candidate * $0)) }
        let error = weightedError(x, weights, candidateCodes, 1 / candidate)
        if error < smallestError { (smallestError, inverse) = (error, candidate) }
    }

    var (sumLX, sumL2): (Float, Float) = (0, 0)
    for index in x.indices {
        let code = min(limit, nearestInteger(inverse * x[index]))
        codes[index] = UInt8(truncatingIfNeeded: code)
        sumLX += weights[index] * x[index] * Float(code)
        sumL2 += weights[index] * Float(code) * Float(code)
    }
    for _ in 0..<5 {
        var moved = false
        for index in x.indices {
            let (value, weight, old) = (x[index], weights[index], Float(codes[index]))
            var lx = sumLX - weight * value * old
            var l2 = sumL2 - weight * old * old
            guard lx > 0 && l2 > 0 else { continue }
            let code = min(limit, nearestInteger(value * l2 / lx))
            guard code != Int(codes[index]) else { continue }
            lx += weight * value * Float(code)
            l2 += weight * Float(code) * Float(code)
            guard lx * lx * sumL2 > sumLX * sumLX * l2 else { continue }
            codes[index] = UInt8(truncatingIfNeeded: code)
            (sumLX, sumL2, moved) = (lx, l2, true)
        }
        if !moved { break }
    }
    return (sumL2 > 0 ? sumLX / sumL2 : 0, codes)
}

private func weightedError(_ x: [Float], _ weights: [Float], _ codes: [Int], _ scale: Float) -> Float {
    var sum: Float = 0
    for index in x.indices {
        let difference = x[index] - scale * Float(codes[index])
        sum += weights[index] * difference * difference
    }
    return sum
}
