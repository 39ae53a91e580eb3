internal import NibbleCheckpoint

/// Where the hub is, who asks, and where files are kept: what huggingface_hub takes from the environment, so that Python and
/// Nibble share what was downloaded.
public struct HubSettings: Sendable {
    /// The hub: `HF_ENDPOINT`, else https://huggingface.co.
    public var endpoint: String
    /// Who asks: `HF_TOKEN`, else the file at `HF_TOKEN_PATH` or `token` in `HF_HOME`; nil for nobody.
    public var token: String?
    /// The folder of repositories: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, which is `~/.cache/huggingface` by default.
    public var cache: String
    /// Whether only what is there may be used: `HF_HUB_OFFLINE`.
    public var isOffline: Bool
    /// How often something is tried again without a byte more than before.
    public var retries = 5
    /// Seconds before the first such try; twice as many before each further.
    public var firstDelay = 0.5
    /// Seconds without a byte after which a connection counts as broken.
    public var timeout = 30.0
    /// The longest that a hub may ask to wait, in seconds.
    public var longestWait = 300.0

    /// - Parameter environment: the variables of the process.
    /// - Throws: ``HubError`` where a variable has no sense.
    public init(environment: [String: String]) throws(HubError) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        endpoint = FilePath.trimmingSlashes(value("HF_ENDPOINT") ?? "https://huggingface.co")
        guard endpoint.hasPrefix("https://") || endpoint.hasPrefix("http://") else {
            throw HubError(
                .invalidName, "HF_ENDPOINT", "is '\(endpoint)', expected an address that begins with https://"
            )
        }
        let cacheHome = value("XDG_CACHE_HOME") ?? FilePath.join(value("HOME") ?? ".", ".cache")
        let home = value("HF_HOME") ?? FilePath.join(cacheHome, "huggingface")
        cache = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") ?? FilePath.join(home, "hub")
        isOffline = ["1", "true", "yes", "on"].contains((value("HF_HUB_OFFLINE") ?? "").lowercased())
        let path = value("HF_TOKEN_PATH") ?? FilePath.join(home, "token")
        var token = value("HF_TOKEN") ?? value("HUGGING_FACE_HUB_TOKEN")
        if token == nil, FilePath.exists(path), !FilePath.isFolder(path),
            let file = try? MappedFile(path: path)
        {
            token = withExtendedLifetime(file) { String(decoding: file.bytes.prefix(4096), as: UTF8.self) }
        }
        let plain = token.map { String($0.unicodeScalars.filter { !$0.properties.isWhitespace }) }
        // A line break in a header would be another header.
        guard plain?.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) ?? true else {
            throw HubError(.invalidName, "HF_TOKEN", "holds characters that no token has")
        }
        self.token = plain?.isEmpty == true ? nil : plain
    }
}
