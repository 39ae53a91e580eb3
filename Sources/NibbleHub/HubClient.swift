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

    /// Where the hub answers what is asked of a repository.
    func address(of repository: HubRepository) -> String {
        "\(settings.endpoint)/api/models/\(repository.id)"
    }

    /// The repository at its revision.
    func listing(of repository: HubRepository) throws(HubError) -> RemoteListing {
        let revision = HubPath.encodedPart(repository.revision)
        let address = "\(address(of: repository))/revision/\(revision)?blobs=true"
        return try RemoteListing(try json(HubRequest(address), of: repository), of: repository)
    }

    /// The JSON that a request is answered with.
    func json(_ request: HubRequest, of repository: HubRepository) throws(HubError) -> JSONValue {
        let (_, bytes) = try again(repository.description) { () throws(HubError) in
            try self.answer(request, of: repository, file: nil)
        }
        return try parsed(bytes, from: request, of: repository)
    }

    /// A whole answer that is no file; one try.
    ///
    /// - Parameter file: what the error of a refusal names.
    func answer(
        _ request: HubRequest, of repository: HubRepository, file: String?,
        sent: @escaping @Sendable (Int) -> Void = { _ in }
    ) throws(HubError) -> (response: HubResponse, body: [UInt8]) {
        let body = Mutex<[UInt8]>([])
        let response = try send(
            request, subject: Self.subject(repository, file), sent: sent, begin: { _ in true },
            receive: { data in
                body.withLock { bytes in
                    bytes += data
                    return bytes.count <= Self.longestAnswer
                }
            })
        let whole = body.withLock { $0 }
        guard (200..<300).contains(response.status) else {
            throw refusal(
                response, of: repository, file: file, body: whole, isWriting: request.method != "GET")
        }
        if let length = response.length, length != whole.count {
            throw HubError(.unreachable, Self.subject(repository, file), "the answer was cut short")
        }
        return (response, whole)
    }

    /// The JSON of an answer.
    func parsed(_ bytes: [UInt8], from request: HubRequest, of repository: HubRepository) throws(HubError)
        -> JSONValue
    {
        do throws(CheckpointError) {
            return try bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
                try JSONParser.parse(bytes, path: request.address)
            }
        } catch {
            throw HubError(
                .unexpected, repository.description, "the hub's answer is no JSON",
                advice: "is HF_ENDPOINT a hub?")
        }
    }

    /// Sends a request; errors of the connection in words.
    func send(
        _ request: HubRequest, subject: String, sent: @escaping @Sendable (Int) -> Void = { _ in },
        begin: @escaping @Sendable (HubResponse) -> Bool, receive: @escaping @Sendable (Data) -> Bool
    ) throws(HubError) -> HubResponse {
        do throws(HubTransportError) {
            return try transport.send(
                request, isCancelled: isCancelled, sent: sent, begin: begin, receive: receive)
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
    /// - Parameters:
    ///   - progress: a number that grows where a try came further than those before it.
    ///   - passing: which of the errors that pass are tried again here.
    func again<Result>(
        _ subject: String, progress: () -> Int = { 0 }, passing: (HubError) -> Bool = { _ in true },
        _ attempt: () throws(HubError) -> Result
    ) throws(HubError) -> Result {
        var (failures, reached) = (0, progress())
        var waited = 0.0
        while true {
            do throws(HubError) {
                return try attempt()
            } catch {
                guard error.isPassing, passing(error) else { throw error }
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
    ///
    /// - Parameters:
    ///   - body: the answer's body, where a hub says why.
    ///   - isWriting: whether something was to be written.
    func refusal(
        _ response: HubResponse, of repository: HubRepository, file: String?, body: [UInt8] = [],
        isWriting: Bool = false
    ) -> HubError {
        let subject = Self.subject(repository, file)
        if isWriting, let error = refusalToWrite(response, subject, body) { return error }
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
            error.delay = Self.delay(response)
            return error
        case (500..., _):
            var error = HubError(
                .unreachable, subject, "the hub fails with status \(response.status)", advice: "try later")
            error.delay = Self.delay(response)
            return error
        default:
            return HubError(.unexpected, subject, "the hub answers with status \(response.status)")
        }
    }

    /// The error that a status means where something was to be written; nil where it is that of a question.
    private func refusalToWrite(_ response: HubResponse, _ subject: String, _ body: [UInt8]) -> HubError? {
        let said = said(response, body).map { " (\($0))" } ?? ""
        switch response.status {
        case 401, 403:
            return HubError(
                .unauthorized, subject, "may not be written by the owner of this token" + said,
                advice: "make a token that may write at \(settings.endpoint)/settings/tokens")
        case 409, 412:
            return HubError(.conflict, subject, "was written by another in the meantime" + said)
        case 413:
            return HubError(.unexpected, subject, "is too large for the hub" + said)
        case 400..<429 where response.status != 404:
            return HubError(
                .unexpected, subject, "the hub refuses it with status \(response.status)" + said)
        default: return nil
        }
    }

    /// The hub's own words for a refusal, a line of them.
    private func said(_ response: HubResponse, _ body: [UInt8]) -> String? {
        let parsed = try? body.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try JSONParser.parse(bytes, path: response.address)
        }
        let words = response.headers["x-error-message"] ?? parsed?["error"]?.text ?? parsed?["message"]?.text
        return words.map { String(HubPath.withoutControls($0).prefix(300)) }
    }

    /// Seconds that a server asks to wait.
    private static func delay(_ response: HubResponse) -> Double? {
        response.headers["retry-after"].flatMap { Double($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }

    private static func subject(_ repository: HubRepository, _ file: String?) -> String {
        file.map { "\(repository), \($0)" } ?? "\(repository)"
    }

    /// Names near to one that does not exist, as the hub's search finds them.
    func names(near repository: HubRepository) -> [String] {
        let search = HubPath.encodedPart(repository.name)
        let address = "\(settings.endpoint)/api/models?search=\(search)&limit=5"
        guard let found = try? json(HubRequest(address), of: repository).elements else { return [] }
        return found.compactMap { $0["id"]?.text ?? $0["modelId"]?.text }.filter { $0 != repository.id }
    }
}

extension HubError {
    /// Whether trying again may help.
    fileprivate var isPassing: Bool {
        switch code {
        case .unreachable, .rateLimited, .expired: true
        default: false
        }
    }
}
