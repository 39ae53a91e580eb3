internal import NibbleCheckpoint
internal import Synchronization

/// Hands out pieces in order and collects progress and the first error.
final class WorkQueue: Sendable {
    private struct State {
        var next = 0
        var sourceBytes = 0
        var lastReport = ContinuousClock.now
        var error: CheckpointError?
    }

    private let count: Int
    private let state = Mutex(State())

    init(_ count: Int) { self.count = count }

    var error: CheckpointError? { state.withLock { $0.error } }

    /// The next piece; nil where all are taken or one failed.
    func next() -> Int? {
        state.withLock { state in
            guard state.error == nil, state.next < count else { return nil }
            state.next += 1
            return state.next - 1
        }
    }

    func fail(_ error: CheckpointError) {
        state.withLock { if $0.error == nil { $0.error = error } }
    }

    func finished(sourceBytes: Int, report: (Int) -> Void) {
        state.withLock { state in
            state.sourceBytes += sourceBytes
            let now = ContinuousClock.now
            guard state.lastReport.duration(to: now) > .milliseconds(100) else { return }
            state.lastReport = now
            report(state.sourceBytes)
        }
    }
}
