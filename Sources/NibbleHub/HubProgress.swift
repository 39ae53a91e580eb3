/// How far a pull or a push is.
public struct HubProgress: Sendable {
    /// Bytes that are where they belong, and all.
    public let bytesDone: Int, bytesTotal: Int
    /// Of these, bytes that were there before.
    public let bytesBefore: Int
    /// The file that came last.
    public let file: String
}
