internal import NibbleCheckpoint

/// How large a file may be whose matrices get types of their own.
public enum SizeTarget: Sendable, Equatable {
    /// Bytes of the file.
    case bytes(Int)
    /// Bits of all tensors together, per weight.
    case bitsPerWeight(Double)
}

extension SizeTarget: CustomStringConvertible {
    /// `600 MB`, `4.5 bits a weight`.
    public var description: String {
        switch self {
        case .bytes(let count): ByteText.text(count)
        case .bitsPerWeight(let bits): "\(bits) bits a weight"
        }
    }
}
