internal import Dispatch
internal import Synchronization

/// Does something for many files, several at a time, until one of them fails.
final class HubTasks: Sendable {
    private let state = Mutex((next: 0, failure: HubError?.none))

    /// Whether one has failed, and the others need not go on.
    var hasFailed: Bool { state.withLock { $0.failure != nil } }

    /// Calls `body` with every number below `count`.
    ///
    /// - Throws: The first error; rather one that is a cause than that of another that was stopped for it.
    func forEach(
        _ count: Int, parallelism: Int, _ body: @Sendable (Int) throws(HubError) -> Void
    ) throws(HubError) {
        state.withLock { $0.next = 0 }
        DispatchQueue.concurrentPerform(iterations: min(parallelism, count)) { _ in
            while let index = next(below: count) {
                do throws(HubError) {
                    try body(index)
                } catch {
                    fail(error)
                }
            }
        }
        if let error = state.withLock({ $0.failure }) { throw error }
    }

    private func next(below count: Int) -> Int? {
        state.withLock { state in
            guard state.failure == nil, state.next < count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    private func fail(_ error: HubError) {
        state.withLock { state in
            if state.failure == nil || (state.failure?.code == .cancelled && error.code != .cancelled) {
                state.failure = error
            }
        }
    }
}
