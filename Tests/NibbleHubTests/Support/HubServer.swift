import CLibrary
import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization

/// A server on this machine that answers what it is told to, and fails when it is told to.
final class HubServer: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        var method: String
        var target: String
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8] = []

        /// The target without its query.
        var path: String { String(target.prefix { $0 != "?" }) }

        /// The first byte that is asked for.
        var rangeStart: Int? {
            headers["range"].flatMap {
                $0.hasPrefix("bytes=") ? Int($0.dropFirst(6).prefix { $0.isNumber }) : nil
            }
        }
    }

    /// What is sent.
    struct Answer: Sendable {
        var status = 200
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// The length that is announced, where it is not the body's; -1 for none.
        var announced: Int?
        /// After how many bytes of the body the connection is closed.
        var cut: Int?

        static func json(_ text: String) -> Answer {
            Answer(headers: [("Content-Type", "application/json")], body: Array(text.utf8))
        }
    }

    private let descriptor: Int32
    /// `http://127.0.0.1:PORT`.
    let address: String
    private let handler: @Sendable (Request) -> Answer
    private let log = Mutex<[Request]>([])
    private let isStopped = Mutex(false)

    /// The requests so far.
    var requests: [Request] { log.withLock { $0 } }

    init(_ handler: @escaping @Sendable (Request) -> Answer) throws {
        self.handler = handler
        signal(SIGPIPE, SIG_IGN)
        #if canImport(Darwin)
            let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #else
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, size) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, generic, &size) == 0
            }
        }
        guard isBound else { throw CheckpointError(.inputOutput, path: "127.0.0.1", "cannot listen") }
        self.address = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let thread = Thread { [weak self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0, let self, !self.isStopped.withLock({ $0 }) else {
                    if connection >= 0 { close(connection) }
                    return
                }
                let worker = Thread { self.serve(connection) }
                worker.start()
            }
        }
        thread.start()
    }

    func stop() {
        isStopped.withLock { $0 = true }
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        let input = HubConnection(connection)
        guard let head = input.read(upTo: Array("\r\n\r\n".utf8)) else { return }
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n").map(String.init)
        let words = (lines.first ?? "").split(separator: " ").map(String.init)
        guard words.count >= 2 else { return }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        if headers["expect"] == "100-continue" {
            _ = CLibraryShim.send(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        guard let body = input.body(headers) else { return }
        let request = Request(method: words[0], target: words[1], headers: headers, body: body)
        log.withLock { $0.append(request) }
        send(handler(request), to: connection)
    }

    private func send(_ answer: Answer, to connection: Int32) {
        var head = "HTTP/1.1 \(answer.status) X\r\nConnection: close\r\n"
        for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
        let announced = answer.announced ?? answer.body.count
        if announced >= 0 { head += "Content-Length: \(announced)\r\n" }
        let bytes = Array((head + "\r\n").utf8) + answer.body.prefix(answer.cut ?? answer.body.count)
        var sent = 0
        while sent < bytes.count {
            let count = CLibraryShim.send(connection, bytes[sent...])
            guard count > 0 else { return }
            sent += count
        }
        // What is cut ends as a broken connection does, not as one that is closed in order.
        if answer.cut != nil {
            var lingering = linger(l_onoff: 1, l_linger: 0)
            setsockopt(connection, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size))
        } else {
            shutdown(connection, Int32(SHUT_WR))
        }
    }
}

/// What comes over a connection.
private final class HubConnection {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    private func receive() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        received += buffer[..<count]
        return true
    }

    /// The bytes before a mark, which is taken too.
    func read(upTo mark: [UInt8]) -> [UInt8]? {
        while true {
            if let range = received.firstRange(of: mark) {
                defer { received.removeSubrange(..<range.upperBound) }
                return Array(received[..<range.lowerBound])
            }
            guard receive() else { return nil }
        }
    }

    private func read(_ count: Int) -> [UInt8]? {
        while received.count < count {
            guard receive() else { return nil }
        }
        defer { received.removeSubrange(..<count) }
        return Array(received[..<count])
    }

    /// What a request carries, by its length or in chunks.
    func body(_ headers: [String: String]) -> [UInt8]? {
        guard headers["transfer-encoding"] == "chunked" else {
            return read(headers["content-length"].flatMap { Int($0) } ?? 0)
        }
        var body: [UInt8] = []
        let end = Array("\r\n".utf8)
        while let line = read(upTo: end), let count = Int(String(decoding: line, as: UTF8.self), radix: 16) {
            guard let chunk = read(count), read(upTo: end) != nil else { return nil }
            guard count > 0 else { return body }
            body += chunk
        }
        return nil
    }
}

private enum CLibraryShim {
    static func send(_ connection: Int32, _ bytes: some Collection<UInt8>) -> Int {
        Array(bytes).withUnsafeBytes { bytes in
            #if canImport(Darwin)
                Darwin.send(connection, bytes.baseAddress, bytes.count, 0)
            #elseif canImport(Musl)
                Musl.send(connection, bytes.baseAddress, bytes.count, 0)
            #else
                Glibc.send(connection, bytes.baseAddress, bytes.count, 0)
            #endif
        }
    }
}
