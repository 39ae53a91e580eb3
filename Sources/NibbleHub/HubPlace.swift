/// Where pulled files are kept.
protocol HubPlace: Sendable {
    /// Makes the folders that every file needs.
    func prepare() throws(HubError)

    /// Where the contents of a file come to lie.
    func path(of file: RemoteFile) -> String

    /// Where they are until they are whole.
    func part(of file: RemoteFile) -> String

    /// Whether the contents are there.
    func holds(_ file: RemoteFile) throws(HubError) -> Bool

    /// Waits until no other brings the file, and keeps them from it during `body`.
    func locked(
        _ file: RemoteFile, isCancelled: () -> Bool, _ body: () throws(HubError) -> Void
    ) throws(HubError)

    /// Does what is left when the contents are there.
    func finish(_ file: RemoteFile, commit: String) throws(HubError)
}
