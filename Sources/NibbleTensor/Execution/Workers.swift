internal import Dispatch
internal import Synchronization

/// Threads that share the iterations of a loop.
///
/// Iterations are handed out one by one, so that an uneven load evens out. What an iteration computes must not
/// depend on the thread that runs it; then results are the same for every number of threads.
public struct Workers: Sendable {
    /// Threads at most, the caller's included.
    public let count: Int

    /// Creates a team of `count` threads.
    public init(count: Int) {
        precondition(count > 0, "\(count) threads")
        self.count = count
    }

    /// Calls `body` with every number of `0 ..< iterations`, each once, and returns when all are done.
    package func forEach(_ iterations: Int, _ body: (Int) -> Void) {
        guard count > 1, iterations > 1 else {
            for index in 0..<iterations { body(index) }
            return
        }
        let next = Atomic<Int>(0)
        // The call returns after all iterations, so the closure outlives its use on other threads.
        nonisolated(unsafe) let body = body
        DispatchQueue.concurrentPerform(iterations: min(count, iterations)) { _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < iterations else { return }
                body(index)
            }
        }
    }
}
