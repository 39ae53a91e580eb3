/// The sixteen levels of ``IQ4_NL`` and ``IQ4_XS``, denser around zero: ggml's `kvalues_iq4nl`.
enum NonLinearTable {
    static let levels: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

    /// The index of the level nearest to `value`, ties to the upper one; NaN gives some index.
    static func nearest(_ value: Float) -> UInt8 {
        if value <= levels[0] { return 0 }
        if value >= levels[15] { return 15 }
        guard let upper = levels.firstIndex(where: { value < $0 }) else { return 15 }
        return UInt8(value - levels[upper - 1] < levels[upper] - value ? upper - 1 : upper)
    }
}
