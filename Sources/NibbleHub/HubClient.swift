internal import Foundation
internal import NibbleCheckpoint
internal import Synchronization

/// Asks a hub, with its refusals in words, and tries again where that may help.
final class HubClient: Sendable {
    let settings: HubSettings
    private let transport: HubTransport
    let isCancelled: @Sendable () -> Bool

    /// Bytes of an answer that is no file: a listing of many thousand files has a few million.
    private static let longestAnswer = 1 << 26

    init(_ settings: HubSettings, isCancelled: @escaping @Sendable () -> Bool) {
        (self.settings, self.isCancelled) = (settings, isCancelled)
        transport = HubTransport(settings)
    }

    /// The repository at its revision.
    func listing(of repository: HubRepository) throws(HubError) -> RemoteListing {
        let revision = HubPath.encoded(repository.revision).replacing("/", with: "%2F")
        let address = "\(settings.endpoint)/api/models/\(repository.id)/revision/\(revision)?blobs=true"
        return try RemoteListing(try json(address, of: repository), of: repository)
    }

    /// The JSON at an address.
    func json(_ address: String, of repository: HubRepository) throws(HubError) -> JSONValue {
        let bytes = try again(repository.description) { () throws(HubError) -> [UInt8] in
            let body = Mutex<[UInt8]>([])
            let response = try self.send(
                address, subject: repository.description, headers: [:], begin: { _ in true },
                receive: { data in
                    body.withLock { bytes in
                        bytes += data
                        return bytes.count <= Self.longestAnswer
                    }
                })
            guard response.status == 200 else { throw self.refusal(response, of: repository, file: nil) }
            let whole = body.withLock { $0 }
            if let length = response.length, length != whole.count {
                throw HubError(.unreachable, repository.description, "the answer was cut short")
            }
            return whole
        }
        do throws(CheckpointError) {
            return try bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
                try JSONParser.parse(bytes, path: address)
            }
        } catch {
            throw HubError(
                .unexpected, repository.description, "the hub's answer is no JSON",
                advice: "is HF_ENDPOINT a hub?")
        }
    }

    /// Sends a request; errors of the connection in words.
    func send(
        _ address: String, subject: String, headers: [String: String],
        begin: @escaping @Sendable (HubResponse) -> Bool, receive: @escaping @Sendable (Data) -> Bool
    ) throws(HubError) -> HubResponse {
        do throws(HubTransportError) {
            return try transport.send(
                address, headers: headers, isCancelled: isCancelled, begin: begin, receive: receive)
        } catch {
            switch error {
            case .cancelled: throw HubError(.cancelled, subject, "was stopped")
            case .stopped: throw HubError(.corrupt, subject, "the server sends more than it announced")
            case .redirect(let problem): throw HubError(.unexpected, subject, problem)
            case .broken(let problem):
                throw HubError(
                    .unreachable, subject, problem,
                    advice: "is \(settings.endpoint) reachable? the command goes on where it stopped")
            }
        }
    }

    // MARK: - Again

    /// Does something that may fail by chance, until it does not, or has failed too often without a byte more.
    ///
    /// - Parameter progress: a number that grows where a try came further than those before it.
    func again<Result>(
        _ subject: String, progress: () -> Int = { 0 }, _ attempt: () throws(HubError) -> Result
    ) throws(HubError) -> Result {
        var (failures, reached) = (0, progress())
        var waited = 0.0
        while true {
            do throws(HubError) {
                return try attempt()
            } catch {
                guard error.isPassing else { throw error }
                let now = progress()
                if now > reached { (failures, reached) = (0, now) }
                failures += 1
                guard failures <= settings.retries else { throw error }
                let delay = error.delay ?? settings.firstDelay * Double(1 << (failures - 1))
                waited += error.delay ?? 0
                guard waited <= settings.longestWait else { throw error }
                try sleep(delay, subject)
            }
        }
    }

    private func sleep(_ seconds: Double, _ subject: String) throws(HubError) {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if isCancelled() { throw HubError(.cancelled, subject, "was stopped") }
            Thread.sleep(forTimeInterval: min(0.05, seconds))
        }
    }

    // MARK: - Refusals

    /// The error that a status means.
    func refusal(_ response: HubResponse, of repository: HubRepository, file: String?) -> HubError {
        let subject = file.map { "\(repository), \($0)" } ?? "\(repository)"
        let code = response.headers["x-error-code"] ?? ""
        let page = "\(settings.endpoint)/\(repository.id)"
        switch (response.status, code) {
        case (403, _) where code == "GatedRepo" || code.isEmpty, (401, "GatedRepo"):
            return HubError(
                .gated, subject, "is open to those who agreed to its terms",
                advice: settings.token == nil
                    ? "open \(page), agree, and give a token in HF_TOKEN (made at \(settings.endpoint)/settings/tokens)"
                    : "open \(page) as the owner of the token and press 'Agree and access repository'")
        case (401, _), (403, _):
            let isKnown = settings.token != nil
            return HubError(
                .unauthorized, subject,
                isKnown
                    ? "does not exist, or is not shown to the owner of this token"
                    : "does not exist, or is private",
                advice: isKnown
                    ? "check the name, and whether the token may read it"
                    : "check the name; for a private repository give a token in HF_TOKEN")
        case (404, "RevisionNotFound"):
            return HubError(
                .notFound, subject, "has no revision '\(repository.revision)'",
                advice: "see \(page)/tree/main")
        case (404, _):
            return HubError(
                .notFound, subject,
                file == nil ? "does not exist on \(settings.endpoint)" : "does not exist there",
                advice: "see \(settings.endpoint)/models?search=\(HubPath.encoded(repository.name))")
        case (429, _):
            var error = HubError(
                .rateLimited, subject, "the hub asks to wait before more is asked of it",
                advice: settings.token == nil ? "a token in HF_TOKEN raises the limit" : "try later")
            error.delay = response.headers["retry-after"].flatMap { Double($0) }
            return error
        case (500..., _):
            var error = HubError(
                .unreachable, subject, "the hub fails with status \(response.status)", advice: "try later")
            error.delay = response.headers["retry-after"].flatMap { Double($0) }
            return error
        default:
            return HubError(.unexpected, subject, "the hub answers with status \(response.status)")
        }
    }

    /// Names near to one that does not exist, as the hub's search finds them.
    func names(near repository: HubRepository) -> [String] {
        let search = HubPath.encoded(repository.name).replacing("/", with: "%2F")
        let address = "\(settings.endpoint)/api/models?search=\(search)&limit=5"
        guard let found = try? json(address, of: repository).elements else { return [] }
        return found.compactMap { $0["id"]?.text ?? $0["modelId"]?.text }.filter { $0 != repository.id }
    }
}

extension HubError {
    /// Whether trying again may help.
    fileprivate var isPassing: Bool {
        switch code {
        case .unreachable, .rateLimited: true
        default: false
        }
    }
}
