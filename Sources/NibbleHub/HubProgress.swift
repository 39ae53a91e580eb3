/// How far a pull or a push is.
public struct HubProgress: Sendable {
    /// Bytes that are where they belong, and all.
    public let bytesDone: Int, bytesTotal: Int
    /// Bytes that were moved now, again where a part was damaged.
    public let bytesMoved: Int
    /// The file that came last.
    public let file: String
}
