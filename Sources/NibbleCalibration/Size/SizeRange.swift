/// The sizes that a file can have whose matrices get types of their own.
public struct SizeRange: Sendable, Equatable {
    /// Matrices whose types are chosen.
    public var matrices: Int
    /// Bytes of the smallest and of the largest file.
    public var bytes: ClosedRange<Int>
    /// Bits of all of its tensors together, per weight.
    public var bitsPerWeight: ClosedRange<Double>
}
