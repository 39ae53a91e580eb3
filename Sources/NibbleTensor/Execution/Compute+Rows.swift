internal import Synchronization

extension Compute {
    /// Rows of a piece where nothing else says how many.
    package static var rowsAtATime: Int { 32 }

    /// Calls `body` for pieces of `height` rows on all threads; throws the error of the first piece that failed.
    package func forEachRows<Failure: Error>(
        in rows: Range<Int>, height: Int, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        let pieces = (rows.count + height - 1) / height
        let errors = ErrorList<Failure>()
        workers.forEach(pieces) { piece in
            let first = rows.lowerBound + piece * height
            do throws(Failure) {
                try body(first..<min(first + height, rows.upperBound))
            } catch {
                errors.set(error, piece)
            }
        }
        if let error = errors.first { throw error }
    }

    /// The same for all rows of a matrix, ``rowsAtATime`` at a time.
    package func forEachRows<Failure: Error>(
        of count: Int, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        try forEachRows(in: 0..<count, height: Self.rowsAtATime, body)
    }
}

/// Errors of pieces of work that ran on several threads.
private final class ErrorList<Failure: Error>: Sendable {
    private let errors: Mutex<[Int: Failure]> = Mutex([:])

    func set(_ error: Failure, _ index: Int) { errors.withLock { $0[index] = error } }

    /// That of the first piece that failed.
    var first: Failure? { errors.withLock { $0.min { $0.key < $1.key }?.value } }
}
