internal import NibbleCheckpoint

/// What is asked of a server.
struct HubRequest: Sendable {
    /// An address of http or https.
    var address: String
    /// `GET`, `POST` or `PUT`.
    var method = "GET"
    /// Of the first request and those after redirects.
    var headers: [String: String] = [:]
    /// What is sent.
    var body = Body.none

    /// What a request carries.
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// All of a file of this machine, which is read as it is sent.
        case file(path: String)
    }

    init(_ address: String, headers: [String: String] = [:]) {
        (self.address, self.headers) = (address, headers)
    }

    /// A request that sends JSON.
    init(post address: String, _ json: JSONValue, type: String = "application/json") {
        self.init(
            post: address, Array(json.serialized(pretty: false).utf8),
            headers: ["Content-Type": type, "Accept": type])
    }

    /// A request that sends bytes.
    init(post address: String, _ bytes: [UInt8], headers: [String: String]) {
        self.init(address, headers: headers)
        (method, body) = ("POST", .bytes(bytes))
    }

    /// A request that stores something at an address.
    init(put address: String, _ body: Body, headers: [String: String] = [:]) {
        self.init(address, headers: headers)
        (method, self.body) = ("PUT", body)
    }
}
