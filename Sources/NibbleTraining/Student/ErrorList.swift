internal import NibbleCheckpoint
internal import Synchronization

/// Errors of pieces of work that ran on several threads.
final class ErrorList: Sendable {
    private let errors: Mutex<[Int: CheckpointError]> = Mutex([:])

    init(count: Int) { precondition(count >= 0, "\(count) pieces") }

    func set(_ error: CheckpointError, _ index: Int) { errors.withLock { $0[index] = error } }

    /// That of the first piece that failed.
    var first: CheckpointError? { errors.withLock { $0.min { $0.key < $1.key }?.value } }
}
