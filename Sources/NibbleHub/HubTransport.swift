internal import Foundation
internal import Synchronization

#if canImport(FoundationNetworking)
    internal import FoundationNetworking
#endif

/// An answer of a server: what stands before its body.
struct HubResponse: Sendable {
    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    /// Where it came from, after redirects.
    let address: String

    /// Bytes that the body is announced to have.
    var length: Int? { headers["content-length"].flatMap { Int($0) } }
}

/// Why a connection gave no whole answer.
enum HubTransportError: Error {
    /// It broke, could not be made, or stood still.
    case broken(String)
    /// Who receives the body wants no more of it.
    case stopped
    case cancelled
    /// A redirect that is not followed.
    case redirect(String)
}

/// Sends requests, follows redirects, and hands bodies on as they come.
///
/// Redirects are followed here, not by the library, so that the token goes to the hub alone.
final class HubTransport: Sendable {
    private let settings: HubSettings
    private let session: URLSession
    private let receiver: HubReceiver
    private static let redirects = 10

    init(_ settings: HubSettings) {
        self.settings = settings
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = settings.timeout
        configuration.timeoutIntervalForResource = 7 * 86_400
        configuration.httpMaximumConnectionsPerHost = 16
        configuration.urlCache = nil
        configuration.httpCookieStorage = nil
        receiver = HubReceiver()
        let queue = OperationQueue()
        queue.maxConcurrentOperationCount = 1
        session = URLSession(configuration: configuration, delegate: receiver, delegateQueue: queue)
    }

    deinit { session.invalidateAndCancel() }

    /// Sends a request and hands the body on.
    ///
    /// - Parameters:
    ///   - sent: takes the number of further bytes of the request's body that were sent.
    ///   - begin: sees the last answer before its body; false ends the request.
    ///   - receive: takes a piece of the body; false ends the request.
    func send(
        _ asked: HubRequest,
        isCancelled: @escaping @Sendable () -> Bool,
        sent: @escaping @Sendable (Int) -> Void = { _ in },
        begin: @escaping @Sendable (HubResponse) -> Bool = { _ in true },
        receive: @escaping @Sendable (Data) -> Bool
    ) throws(HubTransportError) -> HubResponse {
        var address = asked.address
        for _ in 0...Self.redirects {
            guard let url = URL(string: address), let host = url.host else {
                throw .redirect("'\(address)' is no address")
            }
            var request = URLRequest(url: url)
            request.httpMethod = asked.method
            for (name, value) in asked.headers { request.setValue(value, forHTTPHeaderField: name) }
            // As it is stored: lengths and ranges count these bytes.
            request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")
            request.setValue("nibble", forHTTPHeaderField: "User-Agent")
            let own = URL(string: settings.endpoint)
            let isOwn = own?.host == host && own?.scheme == url.scheme && own?.port == url.port
            if isOwn, let token = settings.token {
                request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
            }
            let response = try receiver.run(
                task(request, asked.body), isCancelled: isCancelled, sent: sent, begin: begin,
                receive: receive)
            guard [301, 302, 303, 307, 308].contains(response.status) else { return response }
            guard let location = response.headers["location"],
                let next = URL(string: location, relativeTo: url),
                let scheme = next.scheme, ["http", "https"].contains(scheme)
            else { throw .redirect("the redirect names no address") }
            guard scheme == "https" || url.scheme == "http" else {
                throw .redirect("is sent from https to \(next.absoluteString)")
            }
            // Others turn what is sent into a question.
            guard asked.method == "GET" || [307, 308].contains(response.status) else {
                throw .redirect("is redirected with status \(response.status), which drops what is sent")
            }
            address = next.absoluteString
        }
        throw .redirect("is redirected more than \(Self.redirects) times")
    }

    private func task(_ request: URLRequest, _ body: HubRequest.Body) -> URLSessionDataTask {
        switch body {
        case .none: session.dataTask(with: request)
        case .bytes(let bytes): session.uploadTask(with: request, from: Data(bytes))
        case .file(let path): session.uploadTask(with: request, fromFile: URL(fileURLWithPath: path))
        }
    }
}

/// What a session tells of its tasks.
private final class HubReceiver: NSObject, URLSessionDataDelegate, Sendable {
    /// One request.
    private final class Exchange: Sendable {
        let sent: @Sendable (Int) -> Void
        let begin: @Sendable (HubResponse) -> Bool
        let receive: @Sendable (Data) -> Bool
        let done = DispatchSemaphore(value: 0)
        let state = Mutex((response: HubResponse?.none, isRefused: false, error: (any Error)?.none))

        init(
            _ sent: @escaping @Sendable (Int) -> Void, _ begin: @escaping @Sendable (HubResponse) -> Bool,
            _ receive: @escaping @Sendable (Data) -> Bool
        ) {
            (self.sent, self.begin, self.receive) = (sent, begin, receive)
        }
    }

    private let exchanges = Mutex<[Int: Exchange]>([:])

    func run(
        _ task: URLSessionDataTask, isCancelled: () -> Bool, sent: @escaping @Sendable (Int) -> Void,
        begin: @escaping @Sendable (HubResponse) -> Bool, receive: @escaping @Sendable (Data) -> Bool
    ) throws(HubTransportError) -> HubResponse {
        let exchange = Exchange(sent, begin, receive)
        let number = task.taskIdentifier
        exchanges.withLock { $0[number] = exchange }
        defer { exchanges.withLock { $0[number] = nil } }
        task.resume()
        while exchange.done.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            guard isCancelled() else { continue }
            task.cancel()
            _ = exchange.done.wait(timeout: .now() + .seconds(5))
            throw .cancelled
        }
        let (response, isRefused, error) = exchange.state.withLock { ($0.response, $0.isRefused, $0.error) }
        if isRefused { throw .stopped }
        if let error { throw .broken(Self.text(error)) }
        guard let response else { throw .broken("no answer") }
        return response
    }

    private static func text(_ error: any Error) -> String {
        let error = error as NSError
        return switch error.code {
        case NSURLErrorTimedOut: "no answer in time"
        case NSURLErrorCannotFindHost: "the host is not known"
        case NSURLErrorCannotConnectToHost: "the connection is refused"
        case NSURLErrorNetworkConnectionLost: "the connection was lost"
        default: error.localizedDescription
        }
    }

    private func exchange(_ task: URLSessionTask) -> Exchange? {
        exchanges.withLock { $0[task.taskIdentifier] }
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        // The redirect is the answer.
        if let exchange = exchange(task) {
            let own = Self.response(response)
            exchange.state.withLock { $0.response = own }
        }
        completionHandler(nil)
    }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
        guard let exchange = exchange(dataTask), let response = response as? HTTPURLResponse else {
            return completionHandler(.cancel)
        }
        let own = Self.response(response)
        exchange.state.withLock { $0.response = own }
        let isRedirect = (300..<400).contains(own.status)
        if isRedirect || exchange.begin(own) { return completionHandler(.allow) }
        exchange.state.withLock { $0.isRefused = true }
        completionHandler(.cancel)
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, didSendBodyData bytesSent: Int64, totalBytesSent: Int64,
        totalBytesExpectedToSend: Int64
    ) {
        exchange(task)?.sent(Int(bytesSent))
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        guard let exchange = exchange(dataTask) else { return }
        let (isRefused, status) = exchange.state.withLock { ($0.isRefused, $0.response?.status ?? 0) }
        guard !isRefused, !(300..<400).contains(status) else { return }
        if exchange.receive(data) { return }
        exchange.state.withLock { $0.isRefused = true }
        dataTask.cancel()
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        guard let exchange = exchange(task) else { return }
        exchange.state.withLock { $0.error = error }
        exchange.done.signal()
    }

    private static func response(_ response: HTTPURLResponse) -> HubResponse {
        var headers: [String: String] = [:]
        for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
        return HubResponse(
            status: response.statusCode, headers: headers, address: response.url?.absoluteString ?? "")
    }
}
