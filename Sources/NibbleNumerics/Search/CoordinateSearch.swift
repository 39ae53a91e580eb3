/// The scale and codes of a block without minimum, found by moving single codes: ggml's `make_q3_quants`.
///
/// The starting scale maps the value of largest magnitude to code `-limit`. Then each code in turn becomes the one
/// that is best for the scale that the others ask for, where that raises (Σwxl)² / Σwl², w = x², in at most five
/// rounds. A code whose others ask for a negative scale stays: where the value of largest magnitude is positive, that is
/// all of them.
///
/// - Parameters:
///   - x: the values.
///   - limit: codes are stored as 0 ..< 2 limit, `limit` being zero.
/// - Returns: scale 0 and codes 0 where all |x| < 1e-15. The scale may be negative.
func coordinateSearch(_ x: [Float], limit: Int) -> (scale: Float, codes: [UInt8]) {
    let extreme = LegacyBlocks.extreme(x)
    guard extreme.magnitude >= allZero else { return (0, [UInt8](repeating: 0, count: x.count)) }
    func clamped(_ value: Float) -> Int { max(-limit, min(limit - 1, nearestInteger(value))) }

    var codes = x.map { clamped(Float(-limit) / extreme * $0) }
    var (sumLX, sumL2): (Float, Float) = (0, 0)
    for (value, code) in zip(x, codes) {
        sumLX += value * value * value * Float(code)
        sumL2 += value * value * Float(code) * Float(code)
    }
    for _ in 0..<5 {
        var moved = false
        for (index, value) in x.enumerated() {
            let (weight, old) = (value * value, Float(codes[index]))
            var lx = sumLX - weight * value * old
            var l2 = sumL2 - weight * old * old
            guard lx > 0 else { continue }
            let code = clamped(value * l2 / lx)
            guard code != codes[index] else { continue }
            lx += weight * value * Float(code)
            l2 += weight * Float(code) * Float(code)
            guard l2 > 0 && lx * lx * sumL2 > sumLX * sumLX * l2 else { continue }
            codes[index] = code
            (sumLX, sumL2, moved) = (lx, l2, true)
        }
        if !moved { break }
    }
    return (sumL2 > 0 ? sumLX / sumL2 : 0, codes.map { UInt8($0 + limit) })
}
