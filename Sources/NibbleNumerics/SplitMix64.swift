/// The constants of SplitMix64 (Steele, Lea, Flood 2014): a counter in steps of ``gamma``, each put through ``mix(_:)``.
package enum SplitMix64 {
    /// The step of the counter: 2⁶⁴ divided by the golden ratio, odd.
    package static let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The finalizer: a bijection whose every output bit depends on every input bit.
    package static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
