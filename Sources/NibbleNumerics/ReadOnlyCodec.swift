/// A codec of a type that Nibble reads and does not write.
protocol ReadOnlyCodec: KernelCodec {}

extension ReadOnlyCodec {
    /// False: Nibble reads the type only.
    public var canEncode: Bool { false }

    /// False: Nibble reads the type only.
    public var usesImportance: Bool { false }

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        preconditionFailure("\(type) can be decoded but not encoded")
    }
}
