import CLibrary
import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Synchronization

/// A hub on this machine that speaks as much of Hugging Face's API as a pull asks for, and fails when it is told to.
final class HubServer: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        var method: String
        var target: String
        /// Names in lower case.
        var headers: [String: String]

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
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !received.suffix(4).elementsEqual([13, 10, 13, 10]) {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            received += buffer[..<count]
        }
        let lines = String(decoding: received, as: UTF8.self).split(separator: "\r\n").map(String.init)
        let words = (lines.first ?? "").split(separator: " ").map(String.init)
        guard words.count >= 2 else { return }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        let request = Request(method: words[0], target: words[1], headers: headers)
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
            let count = bytes[sent...].withUnsafeBytes { CLibraryShim.send(connection, $0) }
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

private enum CLibraryShim {
    static func send(_ connection: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Darwin)
            Darwin.send(connection, bytes.baseAddress, bytes.count, 0)
        #elseif canImport(Musl)
            Musl.send(connection, bytes.baseAddress, bytes.count, 0)
        #else
            Glibc.send(connection, bytes.baseAddress, bytes.count, 0)
        #endif
    }
}
