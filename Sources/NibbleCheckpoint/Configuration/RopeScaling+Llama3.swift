internal import CLibrary

extension ModelConfiguration.RopeScaling {
    /// The original context of Llama 3. Only its ratios to the two frequency factors matter, and a GGUF file
    /// does not keep it.
    static let llama3OriginalContext = 8192

    /// What the divisors of `rope_freqs.weight` say: nil where all are one, so that nothing is scaled.
    ///
    /// The largest divisor is the factor. Between the kept and the divided frequencies lies a ramp that is
    /// linear in the frequency, so that two of its points give both ends of it.
    ///
    /// Unless the divisors computed from what was found equal `divisors` bit for bit, they are of a kind of their own:
    /// ``ModelConfiguration/RopeScaling/divisors(_:)``.
    ///
    /// - Throws: ``CheckpointError`` where there are too few or too many divisors, or one is not above 0.
    static func llama3(
        divisors: [Float], base: Double, headDimension: Int, path: String
    ) throws(CheckpointError) -> Self? {
        func error(_ code: CheckpointError.Code, _ problem: String) -> CheckpointError {
            CheckpointError(code, path: path, subject: "tensor 'rope_freqs.weight'", problem)
        }
        guard divisors.count == headDimension / 2 else {
            throw error(
                .inconsistent,
                "has \(divisors.count) elements, heads of width \(headDimension) need \(headDimension / 2)")
        }
        if let wrong = divisors.first(where: { !($0.isFinite && $0 > 0) }) {
            throw error(.invalidValue, "holds the divisor \(wrong)")
        }
        guard let factor = divisors.max(), divisors.contains(where: { $0 != 1 }) else { return nil }
        let frequencies = Self.frequencies(base: base, headDimension: headDimension)
        var candidates = [(low: 1.0, high: 4.0)]
        if let ramp = solveRamp(divisors, frequencies, factor: factor) {
            candidates += [0x1p-8, 0x1p-16].map { (ramp.low.rounded(to: $0), ramp.high.rounded(to: $0)) }
        }
        for (low, high) in candidates where low > 0 && high > low {
            let scaling = Self.llama3(
                factor: factor.decimal, lowFrequency: low, highFrequency: high,
                originalContext: llama3OriginalContext)
            if scaling.llama3Divisors(frequencies) == divisors { return scaling }
        }
        return .divisors(divisors)
    }

    /// The divisors of the rotary frequencies, one a pair of dimensions; nil for other kinds of scaling.
    ///
    /// Single precision in the order of llama.cpp's converter (conversion/llama.py), where PyTorch computes
    /// them.
    package func llama3Divisors(base: Double, headDimension: Int) -> [Float]? {
        llama3Divisors(Self.frequencies(base: base, headDimension: headDimension))
    }

    private func llama3Divisors(_ frequencies: [Float]) -> [Float]? {
        guard case .llama3(let factor, let low, let high, let context) = self else { return nil }
        return frequencies.map { frequency in
            let wavelength = 1 / frequency * Float(2 * Double.pi)
            if Double(wavelength) < Double(context) / high { return 1 }
            if Double(wavelength) > Double(context) / low { return Float(factor) }
            let smooth = (1 / wavelength * Float(context) - Float(low)) / Float(high - low)
            return 1 / ((1 - smooth) / Float(factor) + smooth)
        }
    }

    private static func frequencies(base: Double, headDimension: Int) -> [Float] {
        (0..<headDimension / 2).map { index in
            let exponent = Float(2 * index) / Float(headDimension)
            return 1 / Float(pow(base, Double(exponent)))
        }
    }

    /// The ends of the ramp from the two points on it that lie furthest apart; nil where there are no two.
    private static func solveRamp(
        _ divisors: [Float], _ frequencies: [Float], factor: Float
    ) -> (low: Double, high: Double)? {
        let points = zip(divisors, frequencies).filter { $0.0 != 1 && $0.0 != factor }.map {
            divisor, frequency in
            let whole = 1 / Double(factor)
            // x: how often the wavelength fits the original context; y: how far up the ramp.
            let x = Double(frequency) / (2 * Double.pi) * Double(llama3OriginalContext)
            return (x: x, y: (1 / Double(divisor) - whole) / (1 - whole))
        }
        guard let first = points.first, let last = points.last, first.y != last.y else { return nil }
        let run = (first.x - last.x) / (first.y - last.y)
        let low = first.x - first.y * run
        return (low, low + run)
    }
}

extension Double {
    fileprivate func rounded(to step: Double) -> Double { (self / step).rounded() * step }
}
