internal import CLibrary
internal import Foundation
internal import NibbleCheckpoint
internal import Synchronization

/// Brings one file of a repository to its place: from where an earlier try stopped, checked by its digest.
struct HubDownload: Sendable {
    let client: HubClient
    let repository: HubRepository
    let place: any HubPlace
    let commit: String
    /// Takes bytes that came, or went where a server began anew.
    let progress: @Sendable (Int) -> Void
    /// Takes bytes that came over the network.
    let received: @Sendable (Int) -> Void

    /// - Throws: ``HubError`` where the file cannot be had, or is not what was announced after it was brought twice.
    func bring(_ file: RemoteFile) throws(HubError) {
        if try place.holds(file) {
            progress(file.size)
            return try place.finish(file, commit: commit)
        }
        try place.locked(file, isCancelled: client.isCancelled) { () throws(HubError) in
            // Another may have brought it in the meantime.
            if try place.holds(file) { return progress(file.size) }
            let part = place.part(of: file)
            var isSecond = false
            while true {
                try fetch(file, to: part)
                if try file.digest.ofSameKind(part) == file.digest { break }
                unlink(part)
                progress(-file.size)
                guard !isSecond else {
                    throw HubError(
                        .corrupt, "\(repository), \(file.path)",
                        "what was sent has not the digest \(file.digest.digits.prefix(12))... that the hub lists, twice",
                        advice: "something between here and \(client.settings.endpoint) changes files")
                }
                isSecond = true
            }
            let path = place.path(of: file)
            guard rename(part, path) == 0 else {
                throw HubCache.system("cannot move the file into place", path)
            }
        }
        try place.finish(file, commit: commit)
    }

    // MARK: - Bytes

    private func fetch(_ file: RemoteFile, to path: String) throws(HubError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw HubCache.system("cannot create", path) }
        defer { close(descriptor) }
        var start = Self.size(of: path) ?? 0
        if start > file.size {
            guard ftruncate(descriptor, 0) == 0 else { throw HubCache.system("cannot shorten", path) }
            start = 0
        }
        progress(start)
        let sink = Sink(descriptor, path, from: start, size: file.size, progress, received)
        try client.again("\(file.path)", progress: { sink.position }) { () throws(HubError) in
            guard sink.position < file.size || file.size == 0 else { return }
            try get(file, sink)
        }
    }

    private func get(_ file: RemoteFile, _ sink: Sink) throws(HubError) {
        let start = sink.position
        let address =
            "\(client.settings.endpoint)/\(repository.id)/resolve/\(commit)/\(HubPath.encoded(file.path))"
        let subject = "\(repository), \(file.path)"
        let response: HubResponse
        do throws(HubError) {
            response = try client.send(
                HubRequest(address, headers: start > 0 ? ["Range": "bytes=\(start)-"] : [:]),
                subject: subject,
                begin: { sink.begin($0, asked: start) },
                receive: { sink.write($0) })
        } catch {
            if let problem = sink.problem { throw problem }
            throw error
        }
        if let problem = sink.problem { throw problem }
        guard [200, 206].contains(response.status) else {
            if response.status == 416 {
                // The server's file ends before: what is here is not of it.
                sink.restart()
                throw HubError(.unreachable, subject, "the server has less of the file than is here")
            }
            throw client.refusal(response, of: repository, file: file.path)
        }
        guard sink.position == file.size else {
            throw HubError(
                .unreachable, subject, "the connection ended after \(sink.position) of \(file.size) bytes",
                advice: "the command goes on where it stopped")
        }
    }

    /// Where the bytes of a file go.
    private final class Sink: Sendable {
        private let descriptor: Int32
        private let path: String
        private let size: Int
        private let progress: @Sendable (Int) -> Void
        private let received: @Sendable (Int) -> Void
        private let state: Mutex<(position: Int, isBody: Bool, problem: HubError?)>

        init(
            _ descriptor: Int32, _ path: String, from start: Int, size: Int,
            _ progress: @escaping @Sendable (Int) -> Void, _ received: @escaping @Sendable (Int) -> Void
        ) {
            (self.descriptor, self.path, self.size) = (descriptor, path, size)
            (self.progress, self.received) = (progress, received)
            state = Mutex((start, false, nil))
        }

        var position: Int { state.withLock { $0.position } }
        var problem: HubError? { state.withLock { $0.problem } }

        /// Sees an answer before its body.
        func begin(_ response: HubResponse, asked start: Int) -> Bool {
            state.withLock { $0.isBody = [200, 206].contains(response.status) }
            switch response.status {
            case 200:
                // The range was ignored: the file comes from its begin.
                if start > 0 { restart() }
            case 206:
                // bytes FIRST-LAST/WHOLE
                let range =
                    response.headers["content-range"]?.split(whereSeparator: { " -/".contains($0) }) ?? []
                guard range.count == 4, range[0].lowercased() == "bytes", Int(range[1]) == start else {
                    return refuse("answers another range than was asked for")
                }
                guard range[3] == "*" || Int(range[3]) == size else {
                    return refuse("has \(range[3]) bytes of a file that the hub lists with \(size)")
                }
            default: return true
            }
            if let length = response.length, length > size - position {
                return refuse("announces \(length) bytes, \(size - position) are left of the file")
            }
            return true
        }

        /// Takes a piece of the body.
        func write(_ data: Data) -> Bool {
            let (position, isBody) = state.withLock { ($0.position, $0.isBody) }
            // The words of a refusal.
            guard isBody else { return true }
            guard position + data.count <= size else {
                return refuse("sends more than the \(size) bytes that the hub lists")
            }
            let isWritten = data.withUnsafeBytes { bytes in
                (try? CheckpointWriter.write(bytes, to: descriptor, offset: position) { path }) != nil
            }
            guard isWritten else {
                let error = HubCache.system("cannot write", path)
                state.withLock { $0.problem = error }
                return false
            }
            state.withLock { $0.position += data.count }
            received(data.count)
            progress(data.count)
            return true
        }

        /// Forgets what is there.
        func restart() {
            let position = state.withLock { state in
                defer { state.position = 0 }
                return state.position
            }
            progress(-position)
            _ = ftruncate(descriptor, 0)
        }

        private func refuse(_ problem: String) -> Bool {
            let error = HubError(.corrupt, FilePath.name(of: path), "the server " + problem)
            state.withLock { $0.problem = error }
            return false
        }
    }

    // MARK: - Files

    static func size(of path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }
}
