extension SeededGenerator {
    /// Uniform in 0 ..< 1, 24 bits.
    package mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// About normal: the sum of twelve uniform numbers (Irwin-Hall), mean 0, variance 1.
    package mutating func normal() -> Float { (0..<12).reduce(-6) { sum, _ in sum + uniform() } }

    package mutating func normal(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in normal() * scale }
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
